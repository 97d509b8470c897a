import type { Authority, Hierarchy } from '../hierarchy/hierarchy.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { formatDistinguishedName } from '../pki/names.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import type { InventoryReads } from './inventory-ports.ts';
import { outstandingOf } from './outstanding-of.ts';

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
  inventory: Pick<InventoryReads, 'sums'>,
  backends: ReadonlySet<string>,
  at: EpochMs,
): Promise<readonly AuthorityDescription[]> {
  return Promise.all(
    hierarchy.authorities.map(async (authority) => {
      const installed = await authorities.newest(authority.id);
      const outstanding = installed === undefined ? 0 : await outstandingNow(hierarchy, inventory, authority, at);
      return describe(authority, installed, backends.has(authority.backend), outstanding);
    }),
  );
}

/** Anybody may ask, so that nothing is read but one sum. Below a CA that signs CAs, those of the hierarchy are what it has issued. */
async function outstandingNow(
  hierarchy: Hierarchy,
  inventory: Pick<InventoryReads, 'sums'>,
  authority: Authority,
  at: EpochMs,
): Promise<number> {
  if (authority.tier !== 'issuance') return outstandingOf(hierarchy, authority, [], at);
  return (await inventory.sums(authority.id, 'total', '', at)).outstanding;
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
    // A CA that signs no leaves needs no backend here to be what it is.
    status: installed !== undefined && (backendIsThere || authority.tier !== 'issuance') ? 'ready' : 'absent',
    subject: installed === undefined ? authority.subject : formatDistinguishedName(installed.certificate.tbs.subject),
    keyId: installed === undefined ? undefined : `sha256:${installed.spkiSha256}`,
    notBefore: installed?.notBefore,
    notAfter: installed?.notAfter,
    outstanding,
  };
}
