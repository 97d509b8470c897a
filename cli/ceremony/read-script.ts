import { resolve } from 'node:path';
import { type CeremonyScript, formatScriptFault, parseScript } from '../../shared/ceremony/ceremony.ts';
import { hierarchyBytesMax } from '../../shared/hierarchy/yaml-source.ts';
import { CommandFailure } from '../command.ts';
import { printable } from '../terminal/text.ts';
import { readBounded } from './files.ts';

/** A script, or a CommandFailure with every fault of it. */
export function readScript(
  workingDirectory: string,
  path: string,
): { readonly script: CeremonyScript; readonly text: string } {
  const text = readBounded(resolve(workingDirectory, path), hierarchyBytesMax).toString('utf8');
  const reading = parseScript(text);
  if (reading.ok) return { script: reading.script, text };
  const count = reading.faults.length === 1 ? 'one fault' : `${reading.faults.length} faults`;
  throw new CommandFailure(
    'script-refused',
    `the script is refused, for ${count}`,
    reading.faults.map((fault) => formatScriptFault(fault, printable(path))),
  );
}
