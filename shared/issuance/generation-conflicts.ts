import type { Authority } from '../hierarchy/hierarchy.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { encodeDistinguishedName, parseName } from '../pki/names.ts';
import { descriptionFaults, sameAttributes } from './authority-certificate.ts';
import type { InstalledAuthority } from './issuance-record.ts';

/**
 * Why a CA of the file cannot be the one that is installed, or cannot be brought up beside those that are: [] when it can.
 * `authority` has the subject that is certified. Nothing installed is ever changed or replaced: the way out is another
 * generation.
 */
export function generationConflicts(authority: Authority, installed: readonly InstalledAuthority[]): readonly string[] {
  const own = installed.filter(({ caId }) => caId === authority.id);
  const present = own.find(({ generation }) => generation === authority.generation);
  const newest = Math.max(0, ...own.map(({ generation }) => generation));
  if (newest > authority.generation) {
    const issues = authority.tier === 'issuance' ? ', and issues' : '';
    return [
      `generation ${newest} is installed${issues}, and the file describes ${authority.generation}: write ${newest}`,
    ];
  }
  return present === undefined ? newConflicts(authority, installed) : presentConflicts(authority, present);
}

function presentConflicts(authority: Authority, present: InstalledAuthority): readonly string[] {
  const faults = [
    ...(present.tier === authority.tier ? [] : [`its tier is ${present.tier}, not ${authority.tier}`]),
    ...(present.backend === authority.backend ? [] : [`it is in ${present.backend}, not ${authority.backend}`]),
    ...(present.parent === authority.parent
      ? []
      : [`it was signed by ${present.parent ?? 'itself'}, not ${authority.parent ?? 'itself'}`]),
    ...keyPlaceFault(authority, present),
    ...descriptionFaults(parseCertificate(present.certificateDer), authority),
  ];
  if (faults.length === 0) return [];
  const next = authority.generation + 1;
  return [
    ...faults.map((fault) => `the CA that is installed differs: ${fault}`),
    `an installed CA does not change: undo the edit, or write generation: ${next}, with a subject and a key label of its own`,
  ];
}

function keyPlaceFault({ pkcs11 }: Authority, { backendRef }: InstalledAuthority): readonly string[] {
  if (pkcs11 === undefined || !backendRef.startsWith('pkcs11:') || backendRef === keyReference(pkcs11)) return [];
  return [`its key is ${backendRef}`];
}

/** As the PKCS #11 adapter writes it into the registry. */
function keyReference({ tokenLabel, keyLabel }: NonNullable<Authority['pkcs11']>): string {
  return `pkcs11:token=${encodeURIComponent(tokenLabel)};object=${encodeURIComponent(keyLabel)};type=private`;
}

function newConflicts(authority: Authority, installed: readonly InstalledAuthority[]): readonly string[] {
  const subject = parseName(encodeDistinguishedName(authority.subject));
  const conflicts: string[] = [];
  for (const other of installed) {
    const name = `${other.caId} generation ${other.generation}`;
    if (sameAttributes(parseCertificate(other.certificateDer).tbs.subject, subject))
      conflicts.push(
        `its subject is that of ${name}: give each generation a subject of its own, such as CN=… G${authority.generation}`,
      );
    if (authority.pkcs11 !== undefined && other.backendRef === keyReference(authority.pkcs11))
      conflicts.push(`its key label is that of ${name}: a new generation has a new key, and so a new keyLabel`);
  }
  return conflicts;
}
