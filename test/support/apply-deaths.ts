/** Kills `hierarchy apply` at its effects, one after another, and looks at what the next run makes of it. */
import { parseCertificate, verifyCertificateSignature } from '../../shared/pki/certificate.ts';
import { type ApplyWorld, crossedText, type Death, newSuffix, openApplyWorld } from './apply-world.ts';
import { sampleHierarchyText } from './hierarchies.ts';

/** CAs in ACM PCA and keys on tokens, as the file plans them; and of each CA one entry whose chain verifies. */
export async function faultsOf(world: ApplyWorld): Promise<readonly string[]> {
  const { authorities } = world.hierarchy;
  const planned = (kind: string) => authorities.filter(({ backend }) => backend === kind).length;
  const installed = await world.installed();
  const faults: string[] = [];
  const counts = [await world.countAuthorities(), await world.countKeys(), installed.length];
  const wanted = [planned('acm-pca'), planned('pkcs11'), authorities.length];
  if (String(counts) !== String(wanted)) faults.push(`CAs, keys, entries: ${counts}, not ${wanted}`);
  const certificates = new Map(installed.map((entry) => [entry.caId, parseCertificate(entry.certificateDer)]));
  for (const { id, parent } of authorities) {
    const certificate = certificates.get(id);
    const issuer = certificates.get(parent ?? id);
    if (certificate === undefined || issuer === undefined) faults.push(`${id} is missing`);
    else if (!(await verifyCertificateSignature(certificate, issuer.tbs.publicKey)))
      faults.push(`${id} does not verify`);
  }
  return faults;
}

/** Dies there, then runs again a minute later: what is wrong then. */
async function dieAndGoOn(text: string, death: Death, minutes: number): Promise<readonly string[]> {
  const world = await openApplyWorld(text);
  try {
    const { died, effects } = await world.apply({ death });
    const where = `${death.when} ${death.at} ${effects.at(-1)}`;
    if (!died) return [`${where}: not reached`];
    world.advance(minutes * 60_000);
    const second = await world.apply();
    const failed = second.steps.flatMap((step) =>
      step.kind === 'failed' ? [`${step.caId} ${String(step.cause)}`] : [],
    );
    return [...failed, ...(await faultsOf(world))].map((fault) => `${where}: ${fault}`);
  } finally {
    await world.close();
  }
}

/** Hierarchies with tokens of their own. */
export const crossed = (): string => crossedText(newSuffix());
export const sample = (): string => sampleHierarchyText.replace('sealwright-issuance', `issuance-${newSuffix()}`);

/** Calls that change something outside the process; the others only look. */
const changing = [
  'CreateCertificateAuthority',
  'IssueCertificate',
  'ImportCertificateAuthorityCertificate',
  'C_GenerateKeyPair',
  'C_Sign',
  'registry.install',
];
export const isChanging = (effect: string): boolean => changing.includes(effect);

export interface Deaths {
  /** What an undisturbed run does. */
  readonly effects: readonly string[];
  readonly deaths: number;
  readonly faults: readonly string[];
}

/** A death before and one after each of the effects chosen, each in a world of its own. */
export async function dieAtEvery(text: () => string, isChosen: (effect: string) => boolean): Promise<Deaths> {
  const world = await openApplyWorld(text());
  const { effects } = await world.apply();
  await world.close();
  const faults: string[] = [];
  let deaths = 0;
  for (const [index, effect] of effects.entries()) {
    if (!isChosen(effect)) continue;
    for (const when of ['before', 'after'] as const) {
      deaths += 1;
      // Within the life of ACM PCA's idempotency tokens, and after it.
      faults.push(...(await dieAndGoOn(text(), { at: index + 1, when }, deaths % 2 === 0 ? 1 : 7)));
    }
  }
  return { effects, deaths, faults };
}
