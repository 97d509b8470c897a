/**
 * Takes the oldest entry out of a map whose entries are put in once and only ever taken out here; undefined when it is empty.
 * In constant time: an iterator that begins anew steps over the places of all that was taken out since the map last grew.
 */
export function oldestOut<K, V>(map: Map<K, V>): () => V | undefined {
  let keys = map.keys();
  return () => {
    let next = keys.next();
    // An iterator that has once come to the end stays there.
    if (next.done === true) {
      keys = map.keys();
      next = keys.next();
      if (next.done === true) return undefined;
    }
    const value = map.get(next.value);
    map.delete(next.value);
    return value;
  };
}
