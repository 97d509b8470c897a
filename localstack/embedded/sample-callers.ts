import { randomBytes } from 'node:crypto';
import { secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import { makeSecret } from '../../shared/issuance/administer-credentials.ts';
import { operatorRoles } from '../../shared/issuance/issuance-record.ts';
import type { CredentialStore, OperatorStore } from '../../shared/issuance/ports.ts';
import { readTokens, type StateFolder, type Tokens, writePrivate } from './state-folder.ts';

const sampleDays = 30;
const dayMs = 86_400_000;

/**
 * The sample credential and an operator with every role, made on the first run; made again when the credential of an
 * earlier run has expired. tokens.json is written last: a run that ends before it leaves secrets nobody knows.
 */
export async function ensureSampleCallers(
  state: StateFolder,
  credentials: CredentialStore,
  operators: OperatorStore,
  now: number,
): Promise<Tokens> {
  const known = readTokens(state);
  if (known !== undefined) {
    const credential = await credentials.findBySha256(secretSha256(known.device));
    const operator = await operators.findBySha256(secretSha256(known.operator));
    if (
      operator !== undefined &&
      credential !== undefined &&
      credential.expiresAt > now + dayMs &&
      credential.used < credential.countMax
    )
      return known;
  }
  const device = makeSecret('sw_e_', randomBytes);
  const operator = makeSecret('sw_o_', randomBytes);
  const suffix = randomBytes(4).toString('hex');
  await credentials.create({
    id: `sample-${suffix}`,
    principal: 'plant-7/sensors',
    owner: 'plant-7',
    fleet: 'sensors',
    profiles: ['device', 'service', 'svid'],
    names: { dns: ['*.fleet.example'], spiffe: ['spiffe://fleet.example/*'], ip: [] },
    countMax: 100_000,
    used: 0,
    createdAt: now,
    expiresAt: now + sampleDays * dayMs,
    sha256: device.sha256,
  });
  await operators.create({
    id: `operator-${suffix}`,
    name: 'sample operator',
    roles: [...operatorRoles],
    createdAt: now,
    sha256: operator.sha256,
  });
  const tokens = { device: device.secret, operator: operator.secret };
  writePrivate(state.tokensFile, `${JSON.stringify(tokens, null, 2)}\n`);
  return tokens;
}
