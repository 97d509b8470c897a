/**
 * `node test/crash/kill-service.ts [--rounds 20] [--seed 1] [--clients 16] [--pause-ms 40] [--state DIR] [--spy] [--json]`: kill -9 under load and a
 * new start, many times; then whether every request that was answered 202 ended issued or refused, and none twice.
 * Exit status 0 when nothing is wrong.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { softHsmModule } from '../support/service.ts';
import { type KillResult, runKillRounds } from './kill-rounds.ts';
import { spyModules } from './spy-log.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    clients: { type: 'string', default: '16' },
    'pause-ms': { type: 'string', default: '40' },
    state: { type: 'string' },
    spy: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const result = await runKillRounds({
  rounds: Number(values.rounds),
  seed: Number(values.seed),
  clients: Number(values.clients),
  pauseMs: Number(values['pause-ms']),
  pkcs11Module: softHsmModule,
  ...(values.spy ? { spyModule: findSpy() } : {}),
  ...(values.state === undefined ? {} : { stateDir: values.state }),
  report: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : tableOf(result));
process.exit(result.faults.length === 0 ? 0 : 1);

function findSpy(): string {
  const found = spyModules.find((path) => existsSync(path));
  if (found !== undefined) return found;
  process.stderr.write('pkcs11-spy is not installed: apt-get install opensc-pkcs11\n');
  process.exit(2);
}

function tableOf({ seed, rounds, accepted, settleSeconds, audit, spied, faults }: KillResult): string {
  const { states, atAcmPca, issuedByAcmPca, issuedByHsm, onlyAtAcmPca, issuedTwice, serialsTwice } = audit;
  return [
    `seed ${seed}, ${rounds.length} kills, ${accepted} requests answered 202, settled ${settleSeconds} s after the last start`,
    `ledger: ${audit.issuances} issuances, ${Object.entries(states)
      .map(([state, n]) => `${n} ${state}`)
      .join(', ')}`,
    `ACM PCA: ${atAcmPca} certificates at the CA, ${issuedByAcmPca} issued in the ledger, ${onlyAtAcmPca} only at the CA`,
    `HSM: ${issuedByHsm} issued in the ledger`,
    ...(spied === undefined
      ? []
      : [
          `C_Sign as pkcs11-spy saw it: ${spied.signatures} of ${spied.intents} intents, ${spied.repeats} of the same bytes again, ${spied.probes} probes, ${spied.crls} CRLs, ${spied.withoutIntent} without intent`,
        ]),
    `twice: ${issuedTwice} issuances, ${serialsTwice} serials`,
    faults.length === 0 ? 'nothing lost, nothing twice' : `${faults.length} faults:`,
    ...faults.map((fault) => `  ${fault}`),
    '',
  ].join('\n');
}
