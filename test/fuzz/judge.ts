import { type CertificationRequest, parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { defaultDerLimits } from '../../shared/pki/der/reader.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import { oids } from '../../shared/pki/oids.ts';
import { bytesOf, canonicalOf, childrenOf } from './canonical.ts';
import { factsOf } from './facts.ts';
import { namesOf, type OracleReading, readByOracle, summaryOf } from './oracle.ts';
import { detailOf, strictnessOf } from './strictness.ts';

export type Parse = (der: Uint8Array) => CertificationRequest;

/** What came of one input. `reason` of a disagreement names its kind, the same for inputs that differ for one cause. */
export type Verdict =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused-by-both' }
  /** The oracle takes it, and `code detail` says which rule of ours it breaks. */
  | { readonly kind: 'stricter'; readonly rule: string }
  | { readonly kind: 'disagreement'; readonly reason: string }
  | { readonly kind: 'crash'; readonly reason: string };

/** Parses `bytes` with both parsers and holds one against the other. `parseMs` is of ours alone. */
export function judge(bytes: Uint8Array, parse: Parse = parseCertificationRequest): Verdict & { parseMs: number } {
  const before = Buffer.from(bytes);
  const startedAt = performance.now();
  const outcome = attempt(bytes, parse);
  const parseMs = performance.now() - startedAt;
  if (outcome.kind === 'threw') return { kind: 'crash', reason: outcome.reason, parseMs };
  if (before.compare(bytes) !== 0) return { kind: 'crash', reason: 'the parser wrote to its input', parseMs };
  // Its length alone says so; and the oracle would take seconds for an OBJECT IDENTIFIER of as many octets.
  if (outcome.kind === 'refused' && outcome.error.code === 'der-too-long' && bytes.length > defaultDerLimits.bytesMax)
    return { kind: 'stricter', rule: ruleOf(outcome.error), parseMs };
  const reading = readByOracle(bytes);
  return {
    ...(outcome.kind === 'parsed' ? accepted(outcome.request, bytes, reading) : refused(outcome.error, bytes, reading)),
    parseMs,
  };
}

type Outcome =
  | { readonly kind: 'parsed'; readonly request: CertificationRequest }
  | { readonly kind: 'refused'; readonly error: MalformedError }
  | { readonly kind: 'threw'; readonly reason: string };

function attempt(bytes: Uint8Array, parse: Parse): Outcome {
  try {
    return { kind: 'parsed', request: parse(bytes) };
  } catch (error) {
    if (error instanceof MalformedError) return { kind: 'refused', error };
    return { kind: 'threw', reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

function accepted(request: CertificationRequest, bytes: Uint8Array, reading: OracleReading | undefined): Verdict {
  const differs = (reason: string): Verdict => ({ kind: 'disagreement', reason });
  if (reading === undefined) return differs('accepted, and the oracle refuses it');
  if (reading.end !== bytes.length) return differs('accepted, and the oracle sees bytes behind it');
  const ours = summaryOf(request);
  for (const field of Object.keys(ours) as (keyof typeof ours)[])
    if (String(ours[field]) !== String(reading.summary[field])) return differs(`accepted, with another ${field}`);
  const names = oracleNames(reading);
  if (names === undefined) return differs('accepted, and the oracle refuses its names');
  if (String(names) !== String(namesOf(request))) return differs('accepted, with other names');
  if (Buffer.compare(canonicalOf(reading.tree), bytes) !== 0) return differs('accepted, and it is not DER');
  if (Buffer.compare(request.der, bytes) !== 0) return differs('accepted, and kept with other bytes');
  const [info] = childrenOf(reading.tree) ?? [];
  if (Buffer.compare(request.info, bytesOf(info!)) !== 0)
    return differs('accepted, with another CertificationRequestInfo');
  return looseValue(bytes, reading) ?? { kind: 'accepted' };
}

function oracleNames(reading: OracleReading): readonly string[] | undefined {
  try {
    return reading.names() ?? [];
  } catch {
    return undefined;
  }
}

/** Values inside octets are DER too; a KeyUsage may have trailing zero bits (older Mbed TLS writes them), its octets may not. */
function looseValue(bytes: Uint8Array, reading: OracleReading): Verdict | undefined {
  for (const { bytes: value, oid, read } of factsOf(bytes, reading).values) {
    const isDer =
      read !== undefined && read.end === value.length && Buffer.compare(canonicalOf(read.tree), value) === 0;
    if (!isDer) {
      const what = Object.entries(oids).find(([, dotted]) => dotted === oid)?.[0] ?? oid;
      return { kind: 'disagreement', reason: `accepted, with a ${what} that is not DER` };
    }
  }
  return undefined;
}

function ruleOf(error: MalformedError): string {
  return `${error.code}: ${detailOf(error)}`;
}

function refused(error: MalformedError, bytes: Uint8Array, reading: OracleReading | undefined): Verdict {
  if (reading === undefined) return { kind: 'refused-by-both' };
  const rule = ruleOf(error);
  const strictness = strictnessOf(error);
  if (strictness === undefined) return { kind: 'disagreement', reason: `refused without a stated rule (${rule})` };
  const facts = factsOf(bytes, reading);
  // What asn1js cannot read at all the oracle has not taken: it does not open the octets of an extension or of a key.
  return strictness.holds(facts) || facts.values.some(({ read }) => read === undefined)
    ? { kind: 'stricter', rule }
    : { kind: 'disagreement', reason: `refused for a rule that the oracle's tree does not break (${rule})` };
}
