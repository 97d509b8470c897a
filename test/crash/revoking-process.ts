/**
 * A process that revokes one certificate of a CA in ACM PCA, or goes on with what is unfinished, over the ledger in a file:
 * `node revoking-process.ts JSON` (`RevokingTask`). It says on stdout, a pipe, `reached STOP` and stands still there, to be
 * killed; or, at its end, what it did as JSON.
 */
import { writeSync } from 'node:fs';
import { createAcmPcaBackend } from '../../shared/adapters/acm-pca/backend.ts';
import { createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import type { PacingBudget } from '../../shared/adapters/acm-pca/pacing.ts';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { createAuthorityDirectory } from '../../shared/issuance/authority-directory.ts';
import type { RevocationReason } from '../../shared/issuance/revocation-ports.ts';
import { finishRevocations, type RevokePorts, revokeCertificate } from '../../shared/issuance/revoke-certificate.ts';

/** Where it stands still: the intent is written; the CA is asked; the CA has answered; the ledger says `revoked`. */
export type RevokingStop = 'intended' | 'asking' | 'answered' | 'moved';

export interface RevokingTask {
  readonly ledgerFile: string;
  readonly endpoint: string;
  readonly at: number;
  /** Undefined: goes on with what is unfinished. */
  readonly revoke?: { readonly fingerprint: string; readonly reason: RevocationReason };
  readonly stop?: RevokingStop;
}

const task = JSON.parse(process.argv[2]!) as RevokingTask;
const clock = () => task.at;
const store = openSqliteStore({ path: task.ledgerFile, clock });
const client = createAcmPcaClient({
  stage: 'dev',
  region: 'us-east-1',
  endpoint: task.endpoint,
  credentials: { accessKeyId: 'EMULATOR', secretAccessKey: 'emulator' },
});
const unpaced: PacingBudget = {
  take: async () => ({ kind: 'granted' }),
  reserve: async () => ({ permits: [], retryAfterMs: 0 }),
  report: () => undefined,
};

function tell(text: string): void {
  writeSync(1, `${text}\n`);
}

/** Tells, and stands still for as long as it lives: with something under way, or Node would end. */
async function reached(stop: RevokingStop): Promise<void> {
  if (task.stop !== stop) return;
  tell(`reached ${stop}`);
  await new Promise((resolve) => setTimeout(resolve, 600_000));
}

const { ledger, operatorLog, revocations } = store;
const ports: RevokePorts = {
  revocations,
  ledger: {
    get: ledger.get,
    async advance(moves) {
      await reached('answered');
      const outcomes = await ledger.advance(moves);
      await reached('moved');
      return outcomes;
    },
  },
  authorities: createAuthorityDirectory(store.authorities, clock, 0),
  clock,
  backendOf(issuer) {
    const authority = { caId: issuer.caId, ref: issuer.backendRef };
    const backend = createAcmPcaBackend({ client, authority, pacing: unpaced, clock });
    return {
      ...backend,
      async revoke(serial, reason) {
        await reached('intended');
        if (task.stop === 'asking') tell('reached asking');
        return backend.revoke!(serial, reason);
      },
    };
  },
};

if (task.revoke === undefined) {
  const failures: string[] = [];
  const done = await finishRevocations(ports, (_intent, cause) => failures.push(String(cause)));
  tell(JSON.stringify({ ...done, failures }));
} else {
  const { fingerprint, reason } = task.revoke;
  const { status } = await revokeCertificate({ ...ports, operatorLog }, 'operator-1', fingerprint, reason);
  tell(JSON.stringify({ status }));
}
client.destroy();
store.close();
