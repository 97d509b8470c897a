import { type Element, encodeElement, parseElement } from './elements.ts';
import { judge, type Parse } from './judge.ts';

/** Judgements a finding may cost. */
const attemptsMax = 2_000;

/** A smaller input with the same reason: first without elements, their lengths kept right, then without octets. */
export function minimise(bytes: Uint8Array, reason: string, parse?: Parse): Uint8Array {
  let attempts = 0;
  const shows = (candidate: Uint8Array | undefined): candidate is Uint8Array => {
    if (candidate === undefined || candidate.length === 0 || attempts >= attemptsMax) return false;
    attempts += 1;
    const verdict = judge(candidate, parse);
    return (verdict.kind === 'crash' || verdict.kind === 'disagreement') && verdict.reason === reason;
  };
  return withoutOctets(withoutElements(bytes, shows), shows);
}

type Shows = (candidate: Uint8Array | undefined) => candidate is Uint8Array;

function treeOf(bytes: Uint8Array): Element | undefined {
  try {
    return parseElement(bytes);
  } catch {
    return undefined;
  }
}

function withoutElements(bytes: Uint8Array, shows: Shows): Uint8Array {
  let smallest = bytes;
  const root = treeOf(bytes);
  if (root === undefined || !shows(encodeElement(root))) return bytes;
  const visit = (element: Element): void => {
    const { body } = element;
    if (body instanceof Uint8Array) {
      if (body.length < 2) return;
      element.body = body.subarray(0, 1);
      const shorter = encodeElement(root);
      if (shows(shorter)) smallest = shorter;
      else element.body = body;
      return;
    }
    for (let at = body.length - 1; at >= 0; at--) {
      const [removed] = body.splice(at, 1);
      const shorter = encodeElement(root);
      if (shows(shorter)) smallest = shorter;
      else {
        body.splice(at, 0, removed!);
        visit(removed!);
      }
    }
  };
  visit(root);
  return smallest;
}

function withoutOctets(bytes: Uint8Array, shows: Shows): Uint8Array {
  let smallest = bytes;
  for (let size = bytes.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at + size <= smallest.length; ) {
      const shorter = new Uint8Array(Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)]));
      if (shows(shorter)) smallest = shorter;
      else at += size;
    }
  }
  return smallest;
}
