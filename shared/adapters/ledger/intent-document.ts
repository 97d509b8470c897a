import type { Intent } from '../../lints/prepared-issuance.ts';
import type { GeneralName } from '../../pki/names.ts';

export interface StoredIntent {
  readonly document: string;
  readonly tbs: Uint8Array | null;
}

/** The TBSCertificate stays bytes, in a column of its own; the rest is JSON, the DER of names in base64. */
export function encodeIntent(intent: Intent): StoredIntent {
  if (intent.kind === 'tbs') {
    const { tbsDer, ...rest } = intent;
    return { document: JSON.stringify(rest), tbs: tbsDer };
  }
  return { document: JSON.stringify({ ...intent, names: intent.names.map(encodeName) }), tbs: null };
}

export function decodeIntent(document: string, tbs: Uint8Array | null): Intent {
  const intent = JSON.parse(document);
  if (intent.kind === 'tbs') return { ...intent, tbsDer: tbs } as Intent;
  return { ...intent, names: intent.names.map(decodeName) } as Intent;
}

function encodeName(name: GeneralName): object {
  return 'der' in name ? { ...name, der: Buffer.from(name.der).toString('base64') } : name;
}

function decodeName(name: { readonly der?: string }): object {
  return name.der === undefined ? name : { ...name, der: new Uint8Array(Buffer.from(name.der, 'base64')) };
}
