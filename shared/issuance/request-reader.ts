import { type CertificationRequest, parseCertificationRequest } from '../pki/certification-request.ts';
import { sha256Hex } from '../pki/hash.ts';
import { oldestOut } from '../pki/oldest-first.ts';
import { verifyPossession } from '../pki/possession.ts';
import { type VerifySignature, verifySignature } from '../pki/verify-signature.ts';

/**
 * Reads certification requests and verifies their proof of possession, at the door and again wherever one is taken from the
 * ledger. Within one process the same bytes are worked on once: what was proven is remembered for a while by the SHA-256 of
 * the whole request, which is computed anew from the bytes that are at hand each time.
 */
export interface RequestReader {
  /** Throws MalformedError. `csrSha256`: lower-case hex. */
  read(csrDer: Uint8Array): ReadRequest;
  /** Of a request that this reader has read. False when the signature does not verify (RFC 2986 §3). */
  provesPossession(read: ReadRequest): Promise<boolean>;
}

export interface ReadRequest {
  readonly request: CertificationRequest;
  readonly csrSha256: string;
}

export interface RequestReaderOptions {
  readonly verify?: VerifySignature;
  /** Requests with proven possession that are remembered, and their bytes in all. 0: none. */
  readonly rememberedMax?: number;
  readonly rememberedBytesMax?: number;
}

/** A few seconds of the fastest enrolment there is; what is forgotten is verified again. */
const rememberedMaxDefault = 4_096;
const rememberedBytesMaxDefault = 8 * 1024 * 1024;

export function createRequestReader(options: RequestReaderOptions = {}): RequestReader {
  const {
    verify = verifySignature,
    rememberedMax = rememberedMaxDefault,
    rememberedBytesMax = rememberedBytesMaxDefault,
  } = options;
  const proven = new Map<string, ReadRequest>();
  const oldestProven = oldestOut(proven);
  let bytesTotal = 0;
  /** The same ones, found by bytes that are still the same object: nobody writes to them any more. */
  const provenBytes = new Map<Uint8Array, ReadRequest>();

  function remember(read: ReadRequest): void {
    const { der } = read.request;
    if (proven.has(read.csrSha256) || der.length > rememberedBytesMax || rememberedMax === 0) return;
    proven.set(read.csrSha256, read);
    provenBytes.set(der, read);
    bytesTotal += der.length;
    while (proven.size > rememberedMax || bytesTotal > rememberedBytesMax) {
      const oldest = oldestProven()!.request.der;
      provenBytes.delete(oldest);
      bytesTotal -= oldest.length;
    }
  }

  return {
    read(csrDer) {
      const known = provenBytes.get(csrDer);
      if (known !== undefined) return known;
      const csrSha256 = sha256Hex(csrDer);
      return proven.get(csrSha256) ?? { request: parseCertificationRequest(csrDer), csrSha256 };
    },
    async provesPossession(read) {
      if (proven.get(read.csrSha256) === read) return true;
      const isProven = await verifyPossession(read.request, verify);
      if (isProven) remember(read);
      return isProven;
    },
  };
}
