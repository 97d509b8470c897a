/** AWS JSON 1.1: what an answer looks like, and what becomes of a request that is none. */
import { type ConformanceCase, require, requireEqual } from '../suite.ts';
import { errorCodeOf, type RawRequest } from '../wire.ts';
import type { World } from '../world.ts';
import { documented } from './documented.ts';

const contentType = 'application/x-amz-json-1.1';
const prefix = 'ACMPrivateCA.';
const list = `${prefix}ListCertificateAuthorities`;

async function refusal(world: World, request: RawRequest, statuses: readonly number[], codes: readonly string[]) {
  const answer = await world.raw(request);
  const seen = `HTTP ${answer.status} ${errorCodeOf(answer) || 'without a code'}`;
  require(statuses.includes(answer.status) && codes.includes(errorCodeOf(answer)), `answered ${seen}`);
}

const isContentType = (headers: Headers): boolean => headers.get('content-type')?.split(';')[0] === contentType;

export const protocolCases: readonly ConformanceCase[] = [
  documented('protocol/success has the content type of JSON 1.1', 'protocol', 'none', async (world) => {
    const { status, headers, json } = await world.raw({ target: list, body: '{}' });
    requireEqual(status, 200, 'the status');
    require(isContentType(headers), `the content type is ${headers.get('content-type')}`);
    require(Array.isArray(json.CertificateAuthorities), 'there is no list of CAs');
  }),
  documented('protocol/an error is named in the body or in x-amzn-errortype', 'protocol', 'none', async (world) => {
    const body = JSON.stringify({ CertificateAuthorityArn: world.absentAuthority() });
    const answer = await world.raw({ target: `${prefix}DescribeCertificateAuthority`, body });
    requireEqual([answer.status, errorCodeOf(answer)], [400, 'ResourceNotFoundException'], 'the error');
    require(isContentType(answer.headers), `the content type is ${answer.headers.get('content-type')}`);
    require(typeof (answer.json.message ?? answer.json.Message) === 'string', 'there is no message');
  }),
  documented('protocol/every answer has a request id', 'protocol', 'none', async (world) => {
    for (const target of [list, `${prefix}DescribeCertificateAuthority`]) {
      const { headers } = await world.raw({ target, body: '{}' });
      require(headers.get('x-amzn-requestid') !== null, `${target} answered none`);
    }
  }),
  documented('protocol/an unknown operation is UnknownOperationException', 'protocol', 'none', (world) =>
    refusal(world, { target: `${prefix}NoSuchOperation`, body: '{}' }, [400, 404], ['UnknownOperationException']),
  ),
  documented('protocol/a request without x-amz-target is refused', 'protocol', 'none', (world) =>
    refusal(world, { target: undefined, body: '{}' }, [400, 404], ['UnknownOperationException']),
  ),
  documented('protocol/a body that is no JSON is SerializationException', 'protocol', 'none', async (world) => {
    for (const body of ['{', '[]', '"text"'])
      await refusal(world, { target: list, body }, [400], ['SerializationException']);
  }),
  documented('protocol/a request that is not signed is refused', 'commonErrors', 'none', (world) =>
    refusal(world, { target: list, body: '{}', unsigned: true }, [400, 403], ['MissingAuthenticationTokenException']),
  ),
  documented(
    'protocol/a constraint is a ValidationException that names member and constraint',
    'commonErrors',
    'none',
    async (world) => {
      const input = { CertificateAuthorityArn: 'x'.repeat(4) };
      const message = await world.refused('DescribeCertificateAuthority', input, 'ValidationException');
      require(/validation error/i.test(message) &&
        /certificateAuthorityArn/.test(message), `the message is ${message}`);
    },
  ),
  documented('protocol/one ValidationException has all broken constraints', 'commonErrors', 'none', async (world) => {
    const input = {
      CertificateAuthorityArn: world.absentAuthority(),
      Csr: 'AAAA',
      SigningAlgorithm: 'X',
      Validity: {},
    };
    const message = await world.refused('IssueCertificate', input, 'ValidationException');
    require(/^[2-9]\d* validation errors/.test(message), `the message is ${message}`);
  }),
];
