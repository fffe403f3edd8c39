"""The chat page: a static page, its modules, and the renderer that turns a model's markdown into safe HTML."""
