/**
 * What holds of a place where a CA key lives, whichever key it is: who can have it sign, whether people can be made to agree
 * first, what a backup is and who restores it, and what happens when the place fails. Said by kind of place, so that a report
 * about a laptop does not read like one about an HSM.
 */
import type { ClusterDescription, KeyDescription } from './key-description.ts';
import { isSoftHsm } from './softhsm.ts';

/** `cloudhsm` is known by its cluster; another module of PKCS #11 is `hsm`. */
export type KeyPlace = 'acm-pca' | 'acm-pca-emulator' | 'cloudhsm' | 'hsm' | 'softhsm' | 'file';

export function placeOfKey(key: KeyDescription): KeyPlace {
  if (key.model === 'software') return 'file';
  if (key.model === 'managed-ca') return key.source === 'provider' ? 'acm-pca' : 'acm-pca-emulator';
  if (isSoftHsm(key.module) || key.source === 'emulator') return 'softhsm';
  return key.cluster === undefined ? 'hsm' : 'cloudhsm';
}

export interface Signatory {
  readonly who: string;
  readonly by: string;
}

export interface KeyPractice {
  /** Who can cause a signature, the unobvious ones too. */
  readonly canSign: readonly Signatory[];
  /** How people can be made to agree before a signature. */
  readonly quorum: string;
  /** What a backup is, and who can restore it. */
  readonly backup: string;
  readonly failureMode: string;
}

const acmPca: KeyPractice = {
  canSign: [
    { who: 'a principal with acm-pca:IssueCertificate on the CA', by: 'IAM policy, role, or session' },
    { who: 'a principal with acm-pca:PutPolicy or acm-pca:CreatePermission on the CA', by: 'letting another in' },
    { who: 'an administrator of IAM in the account', by: 'granting either of the above' },
  ],
  quorum: 'none: IAM knows no m-of-n; a permission boundary or a service control policy is the nearest',
  backup: "the provider's: nobody else can copy or restore the key; a deleted CA can be brought back for 7 to 30 days",
  failureMode: 'the Region or its API fails: the CA signs nothing, its queue waits, certificates in use stay valid',
};

const cloudHsm: KeyPractice = {
  canSign: [
    { who: 'the crypto user who owns the key', by: 'C_Login with user and password' },
    { who: 'a crypto user whom the owner has shared the key with', by: 'C_Login with user and password' },
    { who: 'an admin of the HSM', by: "setting a crypto user's password anew, unless a quorum guards it" },
  ],
  quorum: 'per key, 2 to 8 people (key-usage); fits a CA that signs in a ceremony, not an automated signer',
  backup: 'at least one in 24 h, encrypted by the HSM; whoever may create a cluster from it in the account restores it',
  failureMode: 'one HSM lost: the other signs on; cluster lost: the CA is down until a cluster is made from a backup',
};

export const keyPractices: Readonly<Record<KeyPlace, KeyPractice>> = {
  'acm-pca': acmPca,
  'acm-pca-emulator': {
    canSign: [
      { who: 'whoever reaches the endpoint', by: 'any request: it checks no credentials' },
      { who: 'whoever reads its state folder', by: 'the key file' },
    ],
    quorum: 'none',
    backup: 'a copy of its state folder, which is a copy of the key; whoever holds it restores it',
    failureMode: 'its process or its disk fails: the CA signs nothing until it is started, or restored from a copy',
  },
  cloudhsm: cloudHsm,
  hsm: {
    ...cloudHsm,
    quorum: 'as the module has it; PKCS #11 does not tell',
    backup: 'as the module has it; PKCS #11 does not tell',
    failureMode: 'the module fails: the CA is down until it, or its backup, is back',
  },
  softhsm: {
    canSign: [
      { who: 'whoever has the PIN and reaches the token files', by: 'C_Login' },
      { who: 'whoever has the security officer PIN', by: 'C_InitPIN, which sets another PIN' },
      { who: 'whoever copies the token files', by: 'trying PINs at leisure' },
    ],
    quorum: 'none',
    backup:
      'a copy of the token folder (sealwright state backup), which is a copy of the keys; whoever holds it restores it',
    failureMode: 'the disk fails: the CA is down until the token folder is restored',
  },
  file: {
    canSign: [
      { who: 'whoever reads the key file, or the memory of the process', by: 'the key itself, anywhere, for ever' },
    ],
    quorum: 'none',
    backup: 'a copy of the file, which is the key; whoever holds it restores it',
    failureMode: 'the disk fails: the CA is down until the file is restored',
  },
};

/** What is known of the backups of a key in a cluster. */
export function backupOfCluster({ backupCount, backupRetentionDays, latestBackup }: ClusterDescription): string {
  const kept = backupRetentionDays === undefined ? 'kept for an unknown time' : `kept for ${backupRetentionDays} days`;
  if (backupCount === undefined) return `not known: the provider did not list them; ${kept}`;
  if (latestBackup === undefined) return `none that can be restored; ${kept}`;
  const { backupId, createdAt, mode } = latestBackup;
  const made = new Date(createdAt).toISOString().slice(0, 16);
  return `${backupId} of ${made}Z, mode ${mode}; ${backupCount} in all, ${kept}`;
}
