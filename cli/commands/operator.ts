/**
 * The first operator of a deployment on AWS: nobody can ask the service for one, so it is written into the table, by whoever may.
 * On this machine `npm start` makes one and leaves its token in the state folder.
 */
import { randomBytes } from 'node:crypto';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoClient } from '../../shared/adapters/dynamodb/client.ts';
import { createDynamoOperatorLog, createDynamoOperators } from '../../shared/adapters/dynamodb/operators.ts';
import { makeSecret } from '../../shared/issuance/administer-credentials.ts';
import { type Operator, type OperatorRole, operatorRoles } from '../../shared/issuance/issuance-record.ts';
import { type Command, type CommandContext, CommandFailure, UsageError, wholeNumber } from '../command.ts';
import { printable } from '../terminal/text.ts';

const dayMs = 86_400_000;
const expiresInDaysMax = 366;
const nameCharactersMax = 100;
const tableForm = /^[A-Za-z0-9_.-]{3,255}$/;

export const operatorCommands: readonly Command[] = [
  {
    name: 'operator create',
    arguments: [],
    summary: 'write an operator into the table of a deployment on AWS; the token is shown once',
    options: {
      table: { type: 'string', value: 'NAME', help: 'DynamoDB table of the deployment (required)' },
      region: { type: 'string', value: 'REGION', help: 'Region of the table (us-east-1)' },
      name: { type: 'string', value: 'TEXT', help: 'who it is, for the log (required)' },
      role: {
        type: 'string',
        value: 'ROLE',
        multiple: true,
        help: 'what they may do: inventory:read, credential:write …, or all; repeatable (required)',
      },
      'expires-in-days': { type: 'string', value: 'N', help: 'days until the token expires (90)' },
    },
    examples: ['npx sealwright operator create --table sealwright-prod --name "Ada Operator" --role all'],
    run: create,
  },
];

function rolesOf(context: CommandContext): readonly OperatorRole[] {
  const given = context.optionList('role');
  if (given.length === 0) throw new UsageError(`--role is required: ${operatorRoles.join(', ')}, or all`);
  if (given.includes('all')) return operatorRoles;
  const roles = operatorRoles.filter((role) => given.includes(role));
  const unknown = given.find((role) => !operatorRoles.some((one) => one === role));
  if (unknown !== undefined)
    throw new UsageError(`--role: ${printable(unknown)} is none of ${operatorRoles.join(', ')}`);
  return roles;
}

function newOperator(context: CommandContext): { readonly operator: Operator; readonly secret: string } {
  const name = context.option('name') ?? '';
  if (name === '' || name.length > nameCharactersMax)
    throw new UsageError(`--name is required, at most ${nameCharactersMax} characters`);
  const roles = rolesOf(context);
  const days = wholeNumber(context.option('expires-in-days') ?? '90', '--expires-in-days', 1, expiresInDaysMax);
  const now = context.io.now();
  const { secret, sha256 } = makeSecret('sw_o_', randomBytes);
  const id = `operator-${randomBytes(4).toString('hex')}`;
  return { operator: { id, name, roles, createdAt: now, expiresAt: now + days * dayMs, sha256 }, secret };
}

async function create(context: CommandContext): Promise<number> {
  const tableName = context.option('table') ?? '';
  if (!tableForm.test(tableName)) throw new UsageError('--table is required: the name of the DynamoDB table');
  const { operator, secret } = newOperator(context);
  const client = createDynamoClient({ region: context.option('region') ?? 'us-east-1' });
  try {
    const table = createTable({ client, tableName });
    await createDynamoOperators(table).create(operator);
    await createDynamoOperatorLog(table).append({
      at: operator.createdAt,
      operatorId: operator.id,
      action: `operator:create ${operator.roles.join(' ')}`,
      subject: operator.id,
      outcome: 'done',
    });
  } catch (cause) {
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : 'unknown error';
    throw new CommandFailure('operator-not-written', `no operator was written to ${tableName}: ${printable(reason)}`, [
      'aws sts get-caller-identity: credentials that may write the table, and its Region with --region',
    ]);
  } finally {
    client.destroy();
  }
  const expiresAt = new Date(operator.expiresAt ?? 0).toISOString();
  context.answer(
    { operator: { id: operator.id, name: operator.name, roles: operator.roles, expiresAt }, token: secret },
    () =>
      [
        `operator  ${operator.id}\n`,
        `roles     ${operator.roles.join(', ')}\n`,
        `expires   ${expiresAt}\n`,
        `token     ${secret}\n`,
        '\nThe token is shown this once. Type: export SEALWRIGHT_TOKEN=…\n',
      ].join(''),
  );
  return 0;
}
