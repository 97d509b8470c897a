import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { pathParameter } from '../../shared/adapters/aws-lambda/http-request.ts';
import {
  type HttpResponse,
  jsonResponse,
  rfc3339,
  textResponse,
} from '../../shared/adapters/aws-lambda/http-response.ts';
import type { AuthorityDirectory } from '../../shared/issuance/authority-directory.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import type { IssuanceLedger } from '../../shared/issuance/ports.ts';
import type { RevocationStore } from '../../shared/issuance/revocation-ports.ts';
import {
  type CertificateQuery,
  type CertificateSearch,
  certificateStatuses,
  type FoundCertificate,
  searchCertificates,
  searchTexts,
} from '../../shared/issuance/search-certificates.ts';
import { type CallerPorts, inventoryReader, limitOf } from './caller.ts';

type Wired = CallerPorts & {
  readonly search: CertificateSearch | undefined;
  readonly authorities: AuthorityDirectory;
  readonly ledger: IssuanceLedger;
  readonly revocations: RevocationStore;
};

const valueCharactersMax = 512;
const instantForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$/;
const others = ['status', 'notAfterBefore', 'notAfterAfter', 'limit', 'cursor'];
const columns = [
  'fingerprint',
  'serial',
  'issuer',
  'generation',
  'owner',
  'fleet',
  'profile',
  'credential',
  'names',
  'key',
];
const csvColumns = [...columns, 'notBefore', 'notAfter', 'status', 'revokedAt', 'reason', 'issuanceId'];

/** GET /v1/certificates: a page, as JSON, CSV or NDJSON by Accept; where to go on is in `X-Next-Cursor`, and in JSON in `nextCursor`. */
export async function listCertificates(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  await inventoryReader(wired, event, 'inventory:search', 'certificates');
  const parameters = event.queryStringParameters ?? {};
  const query = queryOf(parameters);
  const page = await searchCertificates(
    { search: searchOf(wired), clock: wired.clock },
    query,
    limitOf(parameters.limit),
    parameters.cursor,
  );
  const accept = event.headers.accept ?? '';
  const next = page.nextCursor === undefined ? {} : { 'x-next-cursor': page.nextCursor };
  const text = (type: string, body: string): HttpResponse => {
    const answer = textResponse(200, type, body);
    return { ...answer, headers: { ...answer.headers, ...next } };
  };
  if (/\bapplication\/x-ndjson\b/.test(accept))
    return text('application/x-ndjson', page.found.map((found) => `${JSON.stringify(present(found))}\n`).join(''));
  if (/\btext\/csv\b/.test(accept)) {
    // Only the first page has the header: pages follow one another in one file.
    const lines = page.found.map(csvLine);
    const head = parameters.cursor === undefined ? [csvColumns.join(',')] : [];
    return text('text/csv', [...head, ...lines].map((line) => `${line}\r\n`).join(''));
  }
  return jsonResponse(200, { certificates: page.found.map(present), nextCursor: page.nextCursor ?? null }, next);
}

function searchOf({ search }: Wired): CertificateSearch {
  if (search !== undefined) return search;
  throw new SealwrightError('backend-unavailable', { clientDetail: 'this deployment has no search of the inventory' });
}

function present({ notAfter, notBefore, revokedAt, reason, ...found }: FoundCertificate) {
  return {
    ...found,
    notBefore: rfc3339(notBefore),
    notAfter: rfc3339(notAfter),
    revokedAt: revokedAt === undefined ? null : rfc3339(revokedAt),
    reason: reason ?? null,
  };
}

function csvLine(found: FoundCertificate): string {
  const row = present(found);
  return csvColumns.map((name) => csvField(row[name as keyof typeof row])).join(',');
}

/** RFC 4180; a value that a spreadsheet would take for a formula is written as text. */
function csvField(value: unknown): string {
  const text = Array.isArray(value) ? value.join(' ') : value === null || value === undefined ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function queryOf(parameters: Readonly<Record<string, string | undefined>>): CertificateQuery {
  const refuse = (clientDetail: string): never => {
    throw new SealwrightError('request-malformed', { clientDetail });
  };
  const known: readonly string[] = [...searchTexts, ...others];
  if (Object.keys(parameters).some((name) => !known.includes(name)))
    refuse(`a parameter is none of ${known.join(', ')}`);
  const query: Record<string, string | number> = {};
  for (const name of searchTexts) {
    const value = parameters[name];
    if (value === undefined) continue;
    if (value === '' || value.length > valueCharactersMax) refuse(`${name} has 1 to ${valueCharactersMax} characters`);
    query[name] = hexFilters.test(name) ? hexOf(name, value, refuse) : value;
  }
  const { status } = parameters;
  if (status !== undefined && !certificateStatuses.some((one) => one === status))
    refuse(`status is one of ${certificateStatuses.join(', ')}`);
  if (status !== undefined) query.status = status;
  for (const name of ['notAfterBefore', 'notAfterAfter'] as const) {
    const value = parameters[name];
    if (value === undefined) continue;
    const at = instantForm.test(value) ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(at)) refuse(`${name} is an instant of RFC 3339 in UTC: 2027-01-31T00:00:00Z`);
    query[name] = at;
  }
  return query as CertificateQuery;
}

const hexFilters = /^(serial|fingerprint|key)$/;

/** As it is kept: lower case, with no colons and no `sha256:`. */
function hexOf(name: string, value: string, refuse: (clientDetail: string) => never): string {
  const hex = value
    .replace(/^sha256:/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  const isWhole = name === 'serial' ? /^[0-9a-f]{1,64}$/.test(hex) : /^[0-9a-f]{64}$/.test(hex);
  if (!isWhole)
    refuse(`${name} is ${name === 'serial' ? 'a serial number' : 'a SHA-256'} in hex, with or without colons`);
  return hex;
}

/** GET /v1/certificates/{fingerprint}: one, with everything that became of its issuance. */
export async function showCertificate(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  await inventoryReader(wired, event, 'inventory:show', 'certificate');
  const fingerprint = pathParameter(event, 'fingerprint').replaceAll(':', '').toLowerCase();
  const search = searchOf(wired);
  const isDigest = /^[0-9a-f]{64}$/.test(fingerprint);
  const issuanceId = isDigest ? await wired.revocations.issuanceOfFingerprint(fingerprint) : undefined;
  const record = issuanceId === undefined ? undefined : await wired.ledger.get(issuanceId);
  const { found } = await search.find({ fingerprint }, wired.clock(), undefined, 1);
  const [certificate] = found;
  if (record === undefined || certificate === undefined) throw new SealwrightError('not-found');
  const issuer = await wired.authorities.generation(record.caId, record.generation);
  return jsonResponse(200, {
    ...present(certificate),
    principal: record.principal,
    policyVersion: record.policyVersion,
    issuerKey: issuer?.spkiSha256 ?? null,
    attempts: record.attempts,
    crlShard: record.crlShard ?? null,
    predecessor: record.predecessor ?? null,
    successors: await search.successors(record.issuanceId),
    history: (await search.history(record.issuanceId)).map(({ at, from, to, detail }) => ({
      at: rfc3339(at),
      from: from ?? null,
      to,
      detail,
    })),
  });
}
