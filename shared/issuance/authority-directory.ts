import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { InstalledAuthority } from './issuance-record.ts';
import type { AuthorityRegistry, Clock } from './ports.ts';

/** A CA that can issue: what the registry says, its certificate parsed once. */
export interface IssuingAuthority extends InstalledAuthority {
  readonly certificate: Certificate;
  /** The CAs above it, issuer first, root last. */
  readonly chainCertificates: readonly Certificate[];
}

export interface AuthorityDirectory {
  /** The newest generation of a CA, undefined when none is installed. */
  newest(caId: string): Promise<IssuingAuthority | undefined>;
  /** One generation. */
  generation(caId: string, generation: number): Promise<IssuingAuthority | undefined>;
  all(): Promise<readonly IssuingAuthority[]>;
}

/** Reads the registry at most once in `ageMsMax`: CAs change by ceremony, not by the second. */
export function createAuthorityDirectory(
  registry: AuthorityRegistry,
  clock: Clock,
  ageMsMax = 60_000,
): AuthorityDirectory {
  let read: Promise<readonly IssuingAuthority[]> | undefined;
  let readAt: EpochMs = 0;

  const all = (): Promise<readonly IssuingAuthority[]> => {
    const now = clock();
    if (read === undefined || now - readAt > ageMsMax || now < readAt) {
      readAt = now;
      read = registry.list().then((authorities) => authorities.map(parseIssuer));
      // A failed read is not remembered: the next call asks again.
      read.catch(() => {
        read = undefined;
      });
    }
    return read;
  };

  return {
    all,
    async newest(caId) {
      let found: IssuingAuthority | undefined;
      for (const authority of await all()) {
        if (authority.caId === caId && (found === undefined || authority.generation > found.generation))
          found = authority;
      }
      return found;
    },
    async generation(caId, generation) {
      return (await all()).find((authority) => authority.caId === caId && authority.generation === generation);
    },
  };
}

function parseIssuer(authority: InstalledAuthority): IssuingAuthority {
  return {
    ...authority,
    certificate: parseCertificate(authority.certificateDer),
    chainCertificates: authority.chain.map(parseCertificate),
  };
}
