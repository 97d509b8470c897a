/**
 * The measured part of docs/data-model.md: its tables of costs, between two marks, from docs/data-model-costs.json. Measured
 * and written by test/aws/dynamodb.costs.test.ts.
 */
import { join } from 'node:path';

export const dataModelPage = join(import.meta.dirname, 'data-model.md');
export const costsFile = join(import.meta.dirname, 'data-model-costs.json');

interface Figures {
  readonly requests: number;
  readonly readUnits: number;
  readonly tableWriteUnits: number;
  readonly indexWriteUnits: number;
}

interface MeasuredCosts {
  readonly sizes: { readonly csrBytes: number; readonly certificateBytes: number; readonly names: number };
  readonly calls: readonly (Figures & {
    readonly call: string;
    readonly of: number;
    readonly partitions: Readonly<Record<'read' | 'write' | 'check' | 'indexes', readonly string[]>>;
  })[];
  readonly certificates: readonly (Figures & { readonly path: string; readonly batch: number })[];
}

const begin = '<!-- costs: written by test/aws/dynamodb.costs.test.ts -->';
const end = '<!-- end of costs -->';

function row(head: string, { requests, readUnits, tableWriteUnits, indexWriteUnits }: Figures): string {
  return `| ${head} | ${[requests, readUnits, tableWriteUnits, indexWriteUnits].join(' | ')} |`;
}

function touched({ read, write, check, indexes }: MeasuredCosts['calls'][number]['partitions']): string {
  return [read, write, check, indexes].map((some) => (some.length === 0 ? '–' : some.join(' '))).join('; ');
}

export function renderCosts({ sizes, calls, certificates }: MeasuredCosts): string {
  const { csrBytes, certificateBytes, names } = sizes;
  return `${begin}

Of one certificate, from the POST to the first GET (request ${csrBytes} B, certificate ${certificateBytes} B, ${names} name):

| CA | batches of | requests | read units | write units, table | write units, indexes |
|---|---|---|---|---|---|
${certificates.map(({ path, batch, ...figures }) => row(`${path} | ${batch}`, figures)).join('\n')}

Of one call:

| call | of | requests | read units | write units, table | write units, indexes | partitions: reads; writes; checks; indexes |
|---|---|---|---|---|---|---|
${calls.map(({ call, of: count, partitions, ...figures }) => `${row(`${call} | ${count}`, figures)} ${touched(partitions)} |`).join('\n')}

${end}`;
}

/** The page with its measured part written anew. */
export function withCosts(page: string, costs: MeasuredCosts): string {
  const [start, stop] = [page.indexOf(begin), page.indexOf(end)];
  if (start < 0 || stop < start) throw new Error('docs/data-model.md has lost the marks of its costs');
  return page.slice(0, start) + renderCosts(costs) + page.slice(stop + end.length);
}
