import { domainToASCII, domainToUnicode } from 'node:url';

// RFC 1035 §2.3.4: 255 octets on the wire are 253 characters of text.
const nameCharactersMax = 253;
const labelCharactersMax = 63;

/** Whether a DNS name has the form of a wildcard: its first label is `*`, or a label contains one. */
export function isWildcard(value: string): boolean {
  return value.includes('*');
}

/**
 * What is wrong with a DNS name of a certificate, or undefined: RFC 1123 §2.1 host syntax of letters, digits and
 * hyphens, the lengths of RFC 1035 §2.3.4, and A-labels (RFC 5890 §2.3.2.1) that decode and encode back to themselves.
 * A leading `*.` is set aside, being `isWildcard`'s to report; a `*` anywhere else is a fault.
 */
export function dnsNameFault(value: string): string | undefined {
  if (value.length === 0) return 'a DNS name is not empty';
  if (value.length > nameCharactersMax) return 'a DNS name has at most 253 characters';
  if (isPlain(value)) return undefined;
  const labels = (value.startsWith('*.') ? value.slice(2) : value).split('.');
  for (const label of labels) {
    const fault = labelFault(label);
    if (fault !== undefined) return fault;
  }
  // RFC 1123 §2.1: the highest label is alphabetic, which keeps host names and addresses apart.
  if (/^[0-9]+$/.test(labels.at(-1)!)) return 'the last label of a DNS name is not all digits';
  return undefined;
}

// What most names are, seen in one pass: labels of letters, digits and single hyphens between them, the last with a letter
// first. It is without fault; what any other name is, is looked at label by label.
function isPlain(value: string): boolean {
  let labelStart = 0;
  let before = dot;
  for (let at = 0; at < value.length; at++) {
    const unit = value.charCodeAt(at);
    if (unit === hyphen || unit === dot) {
      if (before === hyphen || before === dot) return false;
      if (unit === dot) {
        if (at - labelStart > labelCharactersMax) return false;
        labelStart = at + 1;
      }
    } else if (!isLetter(unit) && !isDigit(unit)) {
      return false;
    }
    before = unit;
  }
  const endsInLabel = before !== hyphen && before !== dot && value.length - labelStart <= labelCharactersMax;
  return endsInLabel && isLetter(value.charCodeAt(labelStart));
}

const hyphen = 0x2d;
const dot = 0x2e;

function isLetter(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x41 && unit <= 0x5a);
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function labelFault(label: string): string | undefined {
  if (label.length === 0) return 'a DNS name has no empty label and no trailing dot';
  if (label.length > labelCharactersMax) return 'a label of a DNS name has at most 63 characters';
  if (!/^[A-Za-z0-9-]+$/.test(label)) return 'a label of a DNS name has letters, digits and hyphens only';
  if (label.startsWith('-') || label.endsWith('-')) return 'a label of a DNS name does not begin or end with a hyphen';
  if (label.slice(2, 4) !== '--') return undefined;
  if (label.slice(0, 2).toLowerCase() !== 'xn') return 'a label with hyphens in third and fourth place is reserved';
  return isALabel(label.toLowerCase()) ? undefined : 'a label that begins with xn-- is not a valid A-label';
}

function isALabel(label: string): boolean {
  const unicode = domainToUnicode(label);
  return unicode !== '' && unicode !== label && domainToASCII(unicode) === label;
}
