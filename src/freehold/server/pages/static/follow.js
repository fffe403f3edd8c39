// Keeps the newest words in sight, until the reader scrolls away; then it waits to be called back.

const NEAR_PX = 56;

export class Follow {
  #following = true;
  #still = false; // what is shown has no newest word: a welcome, read from its start

  constructor(scroller, content, button) {
    Object.assign(this, { scroller, content, button });
    scroller.addEventListener("scroll", () => this.#look(), { passive: true });
    scroller.addEventListener("wheel", (event) => { if (event.deltaY < 0) this.#leave(); }, { passive: true });
    scroller.addEventListener("touchmove", () => this.#look(), { passive: true });
    button.addEventListener("click", () => this.jump());
    new ResizeObserver(() => this.#keep()).observe(content);
    new ResizeObserver(() => this.#keep()).observe(scroller);
  }

  /** Goes to the start and stays there, until the next jump. */
  begin() {
    this.#still = true;
    this.scroller.scrollTop = 0;
    this.#show();
  }

  /** Goes to the end and stays there. */
  jump() {
    this.#still = false;
    this.#following = true;
    this.#keep();
  }

  #distance() {
    return this.scroller.scrollHeight - this.scroller.clientHeight - this.scroller.scrollTop;
  }

  #leave() {
    if (this.scroller.scrollHeight > this.scroller.clientHeight) this.#following = false;
  }

  #look() {
    this.#following = this.#distance() < NEAR_PX;
    this.#show();
  }

  #keep() {
    if (this.#following && !this.#still) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#show();
  }

  #show() {
    this.button.hidden = this.#still || this.#following || this.#distance() < NEAR_PX;
  }
}
