/**
 * `hierarchy apply` over the real adapters: SoftHSM, the local ACM PCA endpoint through the SDK, the registry in SQLite.
 * Every call that leaves the process is an effect; the process can be made to die before or after any of them.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ACMPCAClient, ListCertificateAuthoritiesCommand } from '@aws-sdk/client-acm-pca';
import type { PKCS11 } from 'pkcs11js';
import { createAcmPcaProvisioner } from '../../shared/adapters/acm-pca/provisioner.ts';
import { cka, cko } from '../../shared/adapters/pkcs11/constants.ts';
import { createPkcs11Provisioner } from '../../shared/adapters/pkcs11/provisioner.ts';
import { readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import { openToken } from '../../shared/adapters/pkcs11/token.ts';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { type BuildStep, buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import type { InstalledAuthority } from '../../shared/issuance/issuance-record.ts';
import type { AuthorityRegistry } from '../../shared/issuance/ports.ts';
import { startTestEndpoint } from './acm-pca-endpoint.ts';
import { hierarchyOf, sampleHierarchyText } from './hierarchies.ts';
import { interposed, newSoftHsmToken } from './softhsm.ts';

/** Dies at the effect with this number, counted from 1. */
export interface Death {
  readonly at: number;
  readonly when: 'before' | 'after';
}

export interface ApplyRun {
  /** What was done, in order: `IssueCertificate`, `C_Sign`, `registry.install`. */
  readonly effects: readonly string[];
  readonly steps: readonly BuildStep[];
  readonly died: boolean;
}

export interface ApplyWorld {
  readonly hierarchy: Hierarchy;
  /** One process of `hierarchy apply`. */
  apply(options?: { readonly death?: Death; readonly hierarchy?: Hierarchy }): Promise<ApplyRun>;
  /** Goes on in time. */
  advance(ms: number): void;
  installed(): Promise<readonly InstalledAuthority[]>;
  /** CAs at the ACM PCA endpoint, in whatever state. */
  countAuthorities(): Promise<number>;
  /** Private keys on the tokens of the hierarchy. */
  countKeys(): Promise<number>;
  close(): Promise<void>;
}

class Died extends Error {}

let worlds = 0;

/** A root on a token signs a subordinate in ACM PCA, which signs one CA in ACM PCA and one on another token. */
export function crossedText(suffix: string): string {
  const [head = '', ...rest] = sampleHierarchyText.split('backend: acm-pca');
  return `${head}backend: pkcs11\n    pkcs11: { tokenLabel: root-${suffix}, keyLabel: root-g1 }${rest.join('backend: acm-pca')}`
    .replace('custody: { model: managed-ca', 'custody: { model: self-managed-hsm')
    .replace('tokenLabel: sealwright-issuance', `tokenLabel: issuance-${suffix}`)
    .replace('    pathLen: 1\n', '    pathLen: 1\n    extendedKeyUsage: [serverAuth, clientAuth]\n');
}

export function newSuffix(): string {
  worlds += 1;
  return `${process.pid}-${worlds}`;
}

export async function openApplyWorld(text = crossedText(newSuffix())): Promise<ApplyWorld> {
  const hierarchy = hierarchyOf(text);
  const dir = mkdtempSync(join(tmpdir(), 'sealwright apply '));
  const endpoint = await startTestEndpoint();
  const path = join(dir, 'ledger.sqlite');
  const labels = [...new Set(hierarchy.authorities.flatMap(({ pkcs11 }) => pkcs11?.tokenLabel ?? []))];
  const tokens = new Map(labels.map((label) => [label, newSoftHsmToken(label)]));
  const { library } = [...tokens.values()][0]!;
  const readPin = (label: string) => readPinFile(tokens.get(label)!.pinFile);

  async function apply({ death, hierarchy: described = hierarchy }: Parameters<ApplyWorld['apply']>[0] = {}) {
    const effects: string[] = [];
    let died = false;
    /** `now` is called at once, and what it answers is the effect's answer, unless the process dies of it. */
    const effect = <T>(name: string, call: () => T): T => {
      if (died) throw new Died();
      effects.push(name);
      const isLast = effects.length === death?.at;
      if (isLast && death.when === 'before') {
        died = true;
        throw new Died();
      }
      const result = call();
      if (!isLast) return result;
      died = true;
      if (result instanceof Promise) return result.then(() => Promise.reject(new Died())) as T;
      throw new Died();
    };
    const send = (async (...args: Parameters<ACMPCAClient['send']>) =>
      effect(args[0].constructor.name.replace('Command', ''), () => endpoint.client.send(...args))) as never;
    const client = new Proxy(endpoint.client, {
      get: (target, name) => (name === 'send' ? send : Reflect.get(target, name)),
    });
    const store = openSqliteStore({ path, clock: endpoint.now });
    const registry: AuthorityRegistry = {
      ...store.authorities,
      install: (entry) => effect('registry.install', () => store.authorities.install(entry)),
    };
    const openLibrary = interposed((real) => ({
      C_GenerateKeyPair: ((...args: Parameters<PKCS11['C_GenerateKeyPair']>) =>
        effect('C_GenerateKeyPair', () => real.C_GenerateKeyPair(...args))) as PKCS11['C_GenerateKeyPair'],
      C_Sign: ((...args: Parameters<PKCS11['C_Sign']>) => {
        // An operation that is begun is ended, as the end of the process would.
        const signature = real.C_Sign(...args);
        return effect('C_Sign', () => signature);
      }) as PKCS11['C_Sign'],
    }));
    const hsm = createPkcs11Provisioner({ library, readPin, random: randomBytes, openLibrary });
    const steps: BuildStep[] = [];
    try {
      await buildHierarchy({
        hierarchy: described,
        provisioners: {
          'acm-pca': createAcmPcaProvisioner({
            client,
            clock: endpoint.now,
            sleep: async () => endpoint.advance(1_000),
          }),
          pkcs11: hsm,
          software: undefined,
        },
        registry,
        clock: endpoint.now,
        report: (step) => steps.push(step),
      });
    } finally {
      hsm.close();
      store.close();
    }
    return { effects, steps, died };
  }

  return {
    hierarchy,
    apply,
    advance: endpoint.advance,
    async installed() {
      const store = openSqliteStore({ path, clock: endpoint.now });
      try {
        return await store.authorities.list();
      } finally {
        store.close();
      }
    },
    async countAuthorities() {
      const { CertificateAuthorities = [] } = await endpoint.client.send(new ListCertificateAuthoritiesCommand({}));
      return CertificateAuthorities.length;
    },
    async countKeys() {
      let count = 0;
      for (const tokenLabel of labels) {
        const token = openToken({ library, tokenLabel, readPin: () => readPin(tokenLabel) });
        count += await token.withSession(({ api, handle }) => {
          api.C_FindObjectsInit(handle, [{ type: cka.class, value: cko.privateKey }]);
          const found = api.C_FindObjects(handle, 100).length;
          api.C_FindObjectsFinal(handle);
          return found;
        });
        token.close();
      }
      return count;
    },
    async close() {
      await endpoint.dispose();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
