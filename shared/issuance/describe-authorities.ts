import type { Authority, Hierarchy } from '../hierarchy/hierarchy.ts';
import { outstandingAt } from '../inventory/outstanding.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { formatDistinguishedName } from '../pki/names.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import type { IssuanceLedger } from './ports.ts';

/** A CA as anybody may see it. */
export interface AuthorityDescription {
  readonly id: string;
  readonly tier: Authority['tier'];
  readonly generation: number;
  readonly parent: string | undefined;
  readonly backend: Authority['backend'];
  readonly custodyModel: Authority['custody']['model'];
  readonly profiles: readonly string[];
  /** `absent`: not brought up here, or its backend is not there. */
  readonly status: 'ready' | 'absent';
  readonly subject: string;
  readonly keyId: string | undefined;
  readonly notBefore: EpochMs | undefined;
  readonly notAfter: EpochMs | undefined;
  /** Certificates signed by this CA that are neither revoked nor expired. */
  readonly outstanding: number;
}

/** Every CA of the hierarchy, parents first, with what is installed of it. */
export async function describeAuthorities(
  hierarchy: Hierarchy,
  authorities: AuthorityDirectory,
  ledger: Pick<IssuanceLedger, 'counters'>,
  backends: ReadonlySet<string>,
  at: EpochMs,
): Promise<readonly AuthorityDescription[]> {
  return Promise.all(
    hierarchy.authorities.map(async (authority) => {
      const installed = await authorities.newest(authority.id);
      const outstanding = installed === undefined ? 0 : await outstandingOf(authority, hierarchy, ledger, at);
      return describe(authority, installed, backends.has(authority.backend), outstanding);
    }),
  );
}

/** Leaves are counted by the ledger; below a CA that signs CAs, those of the hierarchy are what it has issued. */
async function outstandingOf(
  authority: Authority,
  hierarchy: Hierarchy,
  ledger: Pick<IssuanceLedger, 'counters'>,
  at: EpochMs,
): Promise<number> {
  if (authority.tier !== 'issuance')
    return hierarchy.authorities.filter(({ parent }) => parent === authority.id).length;
  const counters = await ledger.counters(authority.id);
  return outstandingAt(
    counters.filter(({ dimension }) => dimension === 'total'),
    at,
  );
}

function describe(
  authority: Authority,
  installed: IssuingAuthority | undefined,
  backendIsThere: boolean,
  outstanding: number,
): AuthorityDescription {
  return {
    id: authority.id,
    tier: authority.tier,
    generation: installed?.generation ?? authority.generation,
    parent: authority.parent,
    backend: authority.backend,
    custodyModel: authority.custody.model,
    profiles: authority.profiles,
    status: installed !== undefined && backendIsThere ? 'ready' : 'absent',
    subject: installed === undefined ? authority.subject : formatDistinguishedName(installed.certificate.tbs.subject),
    keyId: installed === undefined ? undefined : `sha256:${installed.spkiSha256}`,
    notBefore: installed?.notBefore,
    notAfter: installed?.notAfter,
    outstanding,
  };
}
