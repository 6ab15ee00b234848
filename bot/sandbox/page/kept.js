/* What the browser keeps from one visit to the next. */

export function kept(name) {
  try {
    return localStorage.getItem(`sandbox.${name}`);
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(`sandbox.${name}`, value);
  } catch {
    // A browser that keeps nothing forgets at the next visit
  }
}
