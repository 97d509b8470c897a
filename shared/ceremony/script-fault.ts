import { formatPath, type HierarchyFaultCode, type YamlPath } from '../hierarchy/fault.ts';
import type { YamlSource } from '../hierarchy/yaml-source.ts';

/** What can be wrong with a ceremony's script, besides what makes YAML unreadable (`readYaml`): a closed union. */
export const scriptFaultCodes = [
  'script-empty',
  'key-missing',
  'key-unknown',
  'value-type',
  'value-syntax',
  'value-not-allowed',
  'value-out-of-range',
  'value-repeated',
  'secret-in-script',
  'slot-in-script',
  'witness-key-syntax',
  'witness-key-repeated',
  'quorum-out-of-range',
  'act-order',
] as const;

export type ScriptFaultCode = (typeof scriptFaultCodes)[number] | HierarchyFaultCode;

/** Line and column count from 1. */
export interface ScriptFault {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly code: ScriptFaultCode;
  readonly message: string;
}

export type AddFault = (code: ScriptFaultCode, at: YamlPath, message: string, atKey?: boolean) => void;

/** Faults as they are found, each with its place in the text. */
export function faultCollector(source: YamlSource): { readonly add: AddFault; readonly faults: ScriptFault[] } {
  const faults: ScriptFault[] = [];
  const add: AddFault = (code, at, message, atKey) => {
    faults.push({ ...source.locate(at, atKey), path: formatPath(at), code, message });
  };
  return { add, faults };
}

/** `root.yaml:12:5: acts[2].act: message [code]` */
export function formatScriptFault({ line, column, path, code, message }: ScriptFault, file: string): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message} [${code}]`;
}
