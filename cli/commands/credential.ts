import { type Command, type CommandContext, UsageError, wholeNumber } from '../command.ts';
import { isObject, jsonOf, textOf } from '../http-client.ts';
import { renderTable } from '../terminal/table.ts';
import { printable } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';

const expiresInDaysMax = 366;
const countMax = 100_000_000;

export const credentialCommands: readonly Command[] = [
  {
    name: 'credential create',
    arguments: [],
    summary: 'make an enrolment credential; its secret is shown once',
    options: {
      owner: { type: 'string', value: 'O', help: 'who answers for the devices (required)' },
      fleet: { type: 'string', value: 'F', help: 'which of their fleets (required)' },
      profile: {
        type: 'string',
        value: 'P',
        multiple: true,
        help: 'profile it may ask for; repeat for more (required)',
      },
      dns: {
        type: 'string',
        value: 'NAME',
        multiple: true,
        help: "DNS names it may ask for: a name, or '*.zone' for one label; repeatable",
      },
      spiffe: {
        type: 'string',
        value: 'ID',
        multiple: true,
        help: 'SPIFFE ids it may ask for: an id, or one ending in /*; repeatable',
      },
      ip: {
        type: 'string',
        value: 'RANGE',
        multiple: true,
        help: 'IP addresses it may ask for: an address or a CIDR range; repeatable',
      },
      count: { type: 'string', value: 'N', help: 'certificates it may ask for in all (required)' },
      'expires-in-days': { type: 'string', value: 'N', help: 'days until it expires (30)' },
      'expires-at': { type: 'string', value: 'TIME', help: 'or the time, RFC 3339' },
    },
    examples: [
      "npx sealwright credential create --owner plant-8 --fleet pumps --profile device --dns '*.fleet.example' --count 500",
    ],
    run: create,
  },
  {
    name: 'credential list',
    arguments: [],
    summary: 'the enrolment credentials, without their secrets',
    options: {},
    examples: ['npx sealwright credential list'],
    run: list,
  },
  {
    name: 'credential revoke',
    arguments: ['ID'],
    summary: 'end a credential; certificates it obtained stay valid',
    options: {},
    examples: ['npx sealwright credential revoke cred-0123456789abcdef01'],
    run: revoke,
  },
];

async function create(context: CommandContext): Promise<number> {
  const required = (name: string) => {
    const value = context.option(name);
    if (value === undefined) throw new UsageError(`--${name} is required`);
    return value;
  };
  const [dns, spiffe, ip] = ['dns', 'spiffe', 'ip'].map((name) => context.optionList(name));
  const profiles = context.optionList('profile');
  if (profiles.length === 0) throw new UsageError('--profile is required');
  if ([dns, spiffe, ip].every((names) => names!.length === 0))
    throw new UsageError('at least one of --dns, --spiffe, --ip is required');
  const body = {
    owner: required('owner'),
    fleet: required('fleet'),
    profiles,
    names: { dns, spiffe, ip },
    countMax: wholeNumber(required('count'), '--count', 1, countMax),
    ...expiryOf(context),
  };
  const answer = await context.service.call(
    {
      method: 'POST',
      path: '/v1/credentials',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    },
    'operator',
    [201],
  );
  const created = objectOf(jsonOf(answer));
  const credential = objectOf(created.credential);
  context.answer(created, () =>
    [
      `credential  ${printable(textOf(credential.id))}\n`,
      `expires     ${printable(textOf(credential.expiresAt))}\n`,
      `secret      ${printable(textOf(created.secret))}\n`,
      '\nThe secret is shown this once: give it to the devices, keep it nowhere else.\n',
    ].join(''),
  );
  return 0;
}

function expiryOf(context: CommandContext): Readonly<Record<string, unknown>> {
  const at = context.option('expires-at');
  const inDays = context.option('expires-in-days');
  if (at === undefined) return { expiresInDays: wholeNumber(inDays ?? '30', '--expires-in-days', 1, expiresInDaysMax) };
  if (inDays !== undefined) throw new UsageError('--expires-at and --expires-in-days exclude each other');
  if (Number.isNaN(Date.parse(at))) throw new UsageError('--expires-at takes an RFC 3339 time: 2027-01-31T00:00:00Z');
  return { expiresAt: new Date(at).toISOString() };
}

const pagesMax = 1_000;

async function list(context: CommandContext): Promise<number> {
  const credentials: Readonly<Record<string, unknown>>[] = [];
  let cursor = '';
  for (let page = 0; page < pagesMax; page += 1) {
    const query = cursor === '' ? '' : `?cursor=${encodeURIComponent(cursor)}`;
    const answer = await context.service.call(
      { method: 'GET', path: `/v1/credentials${query}`, repeatable: true },
      'operator',
      [200],
    );
    const body = objectOf(jsonOf(answer));
    if (Array.isArray(body.credentials)) credentials.push(...body.credentials.filter(isObject));
    cursor = textOf(body.nextCursor);
    if (cursor === '') break;
  }
  context.answer({ credentials }, () =>
    renderTable(
      [
        { header: 'id', widthMin: 23 },
        { header: 'owner / fleet', overflow: 'wrap' },
        { header: 'profiles', overflow: 'wrap' },
        { header: 'names', overflow: 'wrap', widthMin: 16 },
        { header: 'used', align: 'right', widthMin: 4 },
        { header: 'of', align: 'right', widthMin: 4 },
        { header: 'ends', widthMin: 10 },
      ],
      credentials.map((credential) => credentialRow(credential, context.io.now())),
      { color: context.color },
    ),
  );
  return 0;
}

function credentialRow(credential: Readonly<Record<string, unknown>>, now: number): readonly string[] {
  const texts = (value: unknown) => (Array.isArray(value) ? value.map(textOf) : []);
  const scope = isObject(credential.names) ? credential.names : {};
  const names = [...texts(scope.dns), ...texts(scope.spiffe), ...texts(scope.ip)];
  const expiresAt = textOf(credential.expiresAt);
  const revoked = textOf(credential.revokedAt) !== '';
  return [
    textOf(credential.id),
    `${textOf(credential.owner)} / ${textOf(credential.fleet)}`,
    texts(credential.profiles).join(' '),
    names.join(' '),
    textOf(credential.used),
    textOf(credential.countMax),
    revoked ? 'revoked' : Date.parse(expiresAt) <= now ? 'expired' : expiresAt.slice(0, 10),
  ];
}

async function revoke(context: CommandContext): Promise<number> {
  const [id = ''] = context.positionals;
  await context.service.call(
    { method: 'DELETE', path: `/v1/credentials/${encodeURIComponent(id)}` },
    'operator',
    [204],
  );
  context.answer({ revoked: id }, () => `revoked ${printable(id)}\n`);
  return 0;
}
