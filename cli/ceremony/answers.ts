/**
 * Answers from a file instead of a person, for rehearsals and tests. YAML:
 *
 * ```yaml
 * people: { operator: Ada Example }        # by role
 * witnesses: [alice, bob]                  # who is here
 * requests: { subordinate: sub.csr }       # paths, relative to the file
 * certificates: { root: root.pem }
 * privateKeys: { alice: alice-key }        # rehearsals only: ssh-keygen signs with them
 * signatures: { bob: bob.sig }             # signature files that are there already
 * stopBefore: self-sign                    # answers no there
 * takeFoundKey: false
 * ```
 */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { exactly, listOf, optional, type Shape, text, truth } from '../../shared/ceremony/shape.ts';
import { ceremonyNamespace } from '../../shared/ceremony/ssh-signature.ts';
import { readYaml } from '../../shared/hierarchy/yaml-source.ts';
import { CommandFailure } from '../command.ts';
import { printable } from '../terminal/text.ts';
import { readBounded } from './files.ts';
import type { Operator } from './operator.ts';

const byName: Shape<Readonly<Record<string, string>>> = (value): value is Readonly<Record<string, string>> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((one) => typeof one === 'string' && one.length <= 4_096);

const answersShape = exactly({
  people: optional(byName),
  witnesses: optional(listOf(text(64), 32)),
  requests: optional(byName),
  certificates: optional(byName),
  privateKeys: optional(byName),
  signatures: optional(byName),
  stopBefore: optional(text(64)),
  takeFoundKey: optional(truth),
});

const answersBytesMax = 64 * 1024;
const run = promisify(execFile);

/** An operator that answers from a file. Throws CommandFailure for a file that is none. */
export function operatorFromAnswers(path: string, options: { readonly privateKeysAllowed: boolean }): Operator {
  const { source, faults } = readYaml(readBounded(path, answersBytesMax).toString('utf8'));
  const answers = source?.value;
  if (source === undefined || faults.length > 0 || !answersShape(answers)) {
    const fault = faults[0];
    const where = fault === undefined ? '' : `:${fault.line}: ${fault.message}`;
    throw new CommandFailure('answers-malformed', `${printable(path)}${where} is no file of answers`);
  }
  if (answers.privateKeys !== undefined && !options.privateKeysAllowed) {
    const message = 'a file of answers with private keys is for rehearsals: in a run, witnesses sign for themselves';
    throw new CommandFailure('answers-refused', message);
  }
  const at = (file: string | undefined) => (file === undefined ? undefined : resolve(dirname(path), file));
  return {
    goOn: async (act) => act !== answers.stopBefore,
    person: async (role, person) => answers.people?.[role] ?? person,
    witnessIsHere: async (name) => answers.witnesses?.includes(name) ?? false,
    takeFoundKey: async () => answers.takeFoundKey ?? false,
    requestFile: async (authority) => at(answers.requests?.[authority]),
    certificateFile: async (authority) => at(answers.certificates?.[authority]),
    acceptRequest: async () => true,
    async signature({ witness, statementFile, signatureFile }) {
      const given = at(answers.signatures?.[witness]);
      if (given !== undefined) {
        if (!existsSync(given)) return false;
        copyFileSync(given, signatureFile);
        return true;
      }
      const key = at(answers.privateKeys?.[witness]);
      if (key === undefined) return false;
      // ssh-keygen asks before it overwrites; what is there is of an earlier try.
      rmSync(signatureFile, { force: true });
      await run('ssh-keygen', ['-q', '-Y', 'sign', '-n', ceremonyNamespace, '-f', key, statementFile], {
        timeout: 30_000,
      });
      return true;
    },
    close: () => undefined,
  };
}
