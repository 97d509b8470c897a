import { type Intent, isRedeemed, type PreparedIssuance } from '../../lints/prepared-issuance.ts';

export type TbsIntent = Extract<Intent, { readonly kind: 'tbs' }>;

/**
 * The exact TBSCertificate of an issuance. What throws here is our own order of things broken: an intent that is not in
 * the ledger, or not for this CA, or not of this kind.
 */
export function tbsIntentOf(prepared: PreparedIssuance, caId: string): TbsIntent {
  if (!isRedeemed(prepared)) throw new Error('only an issuance whose intent is in the ledger is signed');
  if (prepared.caId !== caId) throw new Error('an issuance reached the backend of another CA');
  if (prepared.intent.kind !== 'tbs') throw new Error('a key that we hold signs a TBSCertificate, not a template');
  return prepared.intent;
}
