"""What chat templates are known to use, and what leads out of them. Names only.

Source: the templates of the published models of Meta, Google, Qwen, Mistral, DeepSeek, Moonshot, Microsoft, Cohere,
NVIDIA, ByteDance, Z.ai, MiniMax, StepFun and SaluteDevices as collected in ggml-org/llama.cpp (models/templates, 2026),
the functions that transformers gives a template, and jinja2 3.1 (defaults, filters, tests, sandbox).
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = frozenset({"raise_exception", "strftime_now", "namespace", "range", "dict"})
"""Functions that engines give to a chat template."""

METHODS = _words(
    """append capitalize copy count endswith extend find format format_map get index insert isalnum isalpha isdecimal
    isdigit islower isnumeric isspace isupper items join keys lower lstrip partition pop removeprefix removesuffix
    remove replace reverse rfind rindex rpartition rsplit rstrip setdefault sort split splitlines startswith strip
    swapcase title update upper values"""
)
"""Methods of strings, lists and dictionaries that give nothing but data."""

LOOP_METHODS = frozenset({"cycle", "changed"})

FILTERS = _words(
    """abs batch capitalize count d default dictsort e escape first float forceescape format from_json fromjson groupby
    indent int items join last length list lower map max min reject rejectattr replace reverse round safe select
    selectattr slice sort string sum title tojson trim truncate unique upper wordcount wordwrap"""
)

TESTS = _words(
    """!= < <= == > >= boolean callable defined divisibleby eq equalto even escaped false filter float ge greaterthan
    gt in integer iterable le lessthan lower lt mapping ne none number odd sameas sequence string test true
    undefined upper"""
)

GENERATORS = frozenset({"map", "select", "reject", "selectattr", "rejectattr", "batch", "slice"})
"""Filters whose result is a generator: as text it spells names of Python's inside."""

ATTRIBUTE_FILTERS = frozenset(
    {"map", "selectattr", "rejectattr", "groupby", "sort", "sum", "min", "max", "unique", "join"}
)
"""Filters that take the name of an attribute."""

FIRST_IS_ATTRIBUTE = frozenset({"selectattr", "rejectattr", "groupby", "sum"})

OBJECTS = _words(
    """lipsum cycler joiner self super request config session g url_for get_flashed_messages app current_app environ os
    sys builtins varargs kwargs context"""
)
"""Objects that web frameworks and jinja2 itself leave lying about, and whose attributes lead to Python's modules."""

UNSAFE_ATTRIBUTES = _words(
    """func_closure func_code func_dict func_defaults func_globals im_class im_func im_self mro gi_frame gi_code
    cr_frame cr_code ag_frame ag_code f_globals f_locals f_builtins f_back f_code tb_frame tb_next"""
)
"""Attributes without an underscore that lead out all the same (jinja2.sandbox, and Python's frames)."""

STRUCTURE = _words(
    """argument arguments array audio blocks boolean call content description developer document documents enum error
    file function id image image_url input input_audio input_image input_text items json key name none null nullable
    number object output parameters parts properties query reasoning reasoning_content required response result
    results role schema status string system text thinking thought title tool tool_call tool_calls tool_response
    tool_result type types url user assistant value values video video_url"""
)
"""Keys of messages and of their parts: asking for one of them is no condition on what a message says."""
