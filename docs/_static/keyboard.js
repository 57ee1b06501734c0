// What scrolls sideways can be reached by the keyboard.
function focusable() {
  for (const region of document.querySelectorAll("pre, .table-wrapper, .output")) {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
  }
}
document.addEventListener("DOMContentLoaded", focusable);
window.addEventListener("load", focusable);
window.addEventListener("resize", focusable);
