/** Closes what a test case opened when the case ends, however it ends: `await using h = disposable(await open())`. */
export function disposable<T extends { close(): Promise<void> }>(opened: T): T & AsyncDisposable {
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() });
}
