import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CommandIo } from '../command.ts';
import { printable } from '../terminal/text.ts';
import type { Operator } from './operator.ts';

/** A person at a terminal. A line that ends the input answers every question with "stop". */
export function operatorAtTerminal(io: CommandIo, write: (text: string) => void): Operator {
  const ask = async (question: string): Promise<string | undefined> => {
    const line = await io.readLine?.(question, write);
    return line?.trim();
  };
  /** Only the whole word counts: a return key that is pressed once too often agrees to nothing. */
  const confirm = async (question: string): Promise<boolean> => {
    for (;;) {
      const answer = (await ask(`${question} [yes/no] `))?.toLowerCase();
      if (answer === undefined || answer === 'no') return false;
      if (answer === 'yes') return true;
      write("  type 'yes' or 'no'\n");
    }
  };
  const askFile = async (question: string): Promise<string | undefined> => {
    for (;;) {
      const answer = await ask(question);
      if (answer === undefined || answer === '') return undefined;
      const path = resolve(io.workingDirectory, answer);
      if (existsSync(path)) return path;
      write(`  there is no file ${printable(path)}; an empty line stops\n`);
    }
  };
  return {
    goOn: () => confirm('Go on?'),
    async person(role, person) {
      if (person !== undefined) return (await confirm(`Is ${person} here, as ${role}?`)) ? person : undefined;
      const name = await ask(`Who is ${role}? `);
      return name === '' ? undefined : name;
    },
    witnessIsHere: (name, fingerprint) => confirm(`Is witness ${name} here, with the key ${fingerprint}?`),
    takeFoundKey: (spkiSha256) =>
      confirm(`Take the key sha256:${spkiSha256} for the one that the interrupted ceremony was about to make?`),
    requestFile: (authority) => askFile(`File with the certification request of ${authority}: `),
    certificateFile: (authority) => askFile(`File with the certificate of ${authority}: `),
    acceptRequest: (authority) => confirm(`Is this the request of ${authority}, by what its owner told you?`),
    async signature({ witness, signatureFile, command }) {
      // One of an earlier, other statement would only be in the way of ssh-keygen.
      rmSync(signatureFile, { force: true });
      write(
        `\n  Witness ${witness} signs, here or on another machine with a copy of the folder:\n\n    ${command}\n\n`,
      );
      for (;;) {
        const answer = (await ask(`${witness}: return when it is signed, 'skip' to go on without: `))?.toLowerCase();
        if (answer === undefined || answer === 'skip') return false;
        if (existsSync(signatureFile)) return true;
        write(`  there is no ${printable(signatureFile)} yet\n`);
      }
    },
    close: () => undefined,
  };
}
