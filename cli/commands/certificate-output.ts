import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type CommandContext, CommandFailure } from '../command.ts';
import { certificateBlocks, isObject, type Problem, textOf } from '../http-client.ts';
import { renderTable } from '../terminal/table.ts';
import { printable, styled } from '../terminal/text.ts';

/** `--out`, shared by the commands that end with a certificate. */
export const outOption = {
  out: { type: 'string', value: 'FILE', help: 'write the certificate and its chain there instead of standard output' },
} as const;

/** Leaf and chain of a JSON answer, as PEM written anew. */
export function chainOf(details: Readonly<Record<string, unknown>>): readonly string[] {
  const chain = Array.isArray(details.chain) ? details.chain : [details.chain];
  return certificateBlocks([details.certificate, ...chain].map(textOf).join('\n'));
}

/**
 * Hands out a certificate: PEM (leaf first, then its chain) on standard output or in `--out`, what it is on standard
 * error; with --json the service's answer.
 */
export async function handOutCertificate(
  context: CommandContext,
  details: Readonly<Record<string, unknown>>,
): Promise<number> {
  const blocks = chainOf(details);
  if (blocks.length === 0) throw new CommandFailure('answer-unexpected', 'the answer holds no certificate');
  const out = context.option('out');
  if (out !== undefined) await writeOut(resolve(context.io.workingDirectory, out), blocks.join(''), out);
  if (!context.json) context.io.stderr.write(describeCertificate(blocks[0]!, details, context, out));
  if (context.json) context.answer(details, () => '');
  else if (out === undefined) context.io.stdout.write(blocks.join(''));
  return 0;
}

async function writeOut(path: string, text: string, shown: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandFailure(
      'file-not-written',
      `${printable(shown)} cannot be written (${code ?? 'unknown'}); the certificate is issued`,
      ['the same command again with another --out: it is the same certificate'],
    );
  }
}

function describeCertificate(
  pem: string,
  details: Readonly<Record<string, unknown>>,
  context: CommandContext,
  out: string | undefined,
): string {
  const certificate = new X509Certificate(pem);
  const dropped = Array.isArray(details.droppedExtensions) ? details.droppedExtensions.map(textOf) : [];
  const lines = [
    ['serial number', certificate.serialNumber.toLowerCase()],
    ['names', certificate.subjectAltName ?? '–'],
    ['issuer', certificate.issuer.split('\n').reverse().join(', ')],
    ['valid until', certificate.validToDate.toISOString()],
    ['issuance', textOf(details.issuanceId)],
    ...(dropped.length > 0 ? [['left out', `${dropped.join(', ')} (asked for; the profile drops it)`]] : []),
    ...(out === undefined ? [] : [['written to', out]]),
  ].filter(([, value]) => value !== '');
  const mark = styled('✓ issued', 'green', context.color);
  return `${mark}\n${lines.map(([name, value]) => `  ${name!.padEnd(14)} ${printable(value!)}\n`).join('')}`;
}

/** A refusal with all its reasons: a table on standard error, or the problem document as JSON. Answers exit status 1. */
export function showRefusal(context: CommandContext, problem: Problem): number {
  if (context.json) {
    context.answer({ error: problem }, () => '');
    return 1;
  }
  const mark = styled('✗ refused', 'red', context.color);
  const detail = problem.detail === undefined ? '' : `: ${printable(problem.detail)}`;
  context.io.stderr.write(
    `${mark} (${problem.status} ${printable(problem.code)}) ${printable(problem.title)}${detail}\n`,
  );
  if (problem.violations.length === 0) return 1;
  const rows = problem.violations.map((violation) => [
    violation.code,
    violation.field,
    violation.message,
    violation.reference,
  ]);
  const columns = [
    { header: 'reason', widthMin: 16 },
    { header: 'field', widthMin: 12 },
    { header: 'what is wrong', overflow: 'wrap', widthMin: 24 },
    { header: 'rule', overflow: 'wrap' },
  ] as const;
  context.io.stderr.write(renderTable(columns, rows, { color: context.color, indent: '  ' }));
  return 1;
}

/** The object of a JSON answer. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (isObject(value)) return value;
  throw new CommandFailure('answer-unexpected', "the answer is not Sealwright's", [
    'check the address: --url URL, SEALWRIGHT_URL',
  ]);
}
