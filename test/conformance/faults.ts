/**
 * Faults planted between the suite and the endpoint, each a mistake that an implementation of ACM PCA might have, and the case
 * that has to catch it. The endpoint itself is not touched: a fault rewrites calls and answers on their way.
 */
type Json = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly status: number;
  readonly json: Json;
}

/** A call: what was asked, and how to ask the endpoint. */
export interface FaultyCall {
  readonly operation: string;
  readonly input: Json;
  readonly forward: (operation: string, input: Json) => Promise<Answer>;
}

export interface PlantedFault {
  readonly name: string;
  /** Case that catches it. */
  readonly caughtBy: string;
  readonly apply: (call: FaultyCall) => Promise<Answer>;
}

const ok: Answer = { status: 200, json: {} };
const codeOf = ({ json }: Answer): unknown => json.__type;
const asIs = ({ operation, input, forward }: FaultyCall): Promise<Answer> => forward(operation, input);
const without = (input: Json, name: string): Json =>
  Object.fromEntries(Object.entries(input).filter(([member]) => member !== name));

/** A fault of one operation. */
function faultOf(
  operation: string,
  fault: Omit<PlantedFault, 'apply'> & { readonly apply: (call: FaultyCall) => Promise<Answer> },
): PlantedFault {
  return { ...fault, apply: (call) => (call.operation === operation ? fault.apply(call) : asIs(call)) };
}

const templateOf = (input: Json): string => String(input.TemplateArn ?? '');

async function recoded(call: FaultyCall, from: string, to: string): Promise<Answer> {
  const answer = await asIs(call);
  return codeOf(answer) === from ? { ...answer, json: { ...answer.json, __type: to } } : answer;
}

const issuanceFaults: readonly PlantedFault[] = [
  faultOf('IssueCertificate', {
    name: 'ApiPassthrough is read whatever the template is',
    caughtBy: 'template/ApiPassthrough is ignored by a template that is none',
    apply: ({ operation, input, forward }) => {
      const isBase = input.ApiPassthrough !== undefined && !/Passthrough\/V1$/.test(templateOf(input));
      const TemplateArn = templateOf(input).replace(/\/V1$/, '_APIPassthrough/V1');
      return forward(operation, isBase ? { ...input, TemplateArn } : input);
    },
  }),
  faultOf('IssueCertificate', {
    name: 'an end of validity after that of the CA is clamped',
    caughtBy: 'validity/refuses, and does not clamp, an end after that of the CA',
    apply: async (call) => {
      const answer = await asIs(call);
      const isBeyond = String(answer.json.message).includes('exceeds the certificate authority validity');
      return isBeyond ? asIs({ ...call, input: { ...call.input, Validity: { Type: 'DAYS', Value: 3000 } } }) : answer;
    },
  }),
  faultOf('IssueCertificate', {
    name: 'idempotency tokens are forgotten',
    caughtBy: 'token/the same token answers the same ARN',
    apply: ({ operation, input, forward }) => forward(operation, without(input, 'IdempotencyToken')),
  }),
  faultOf('IssueCertificate', {
    name: 'ValidityNotBefore moves the end of the validity',
    caughtBy: 'validity/ValidityNotBefore is taken and does not move notAfter',
    apply: ({ operation, input, forward }) => {
      const notBefore = input.ValidityNotBefore as { readonly Value: number } | undefined;
      const { Type, Value } = input.Validity as { readonly Type: string; readonly Value: number };
      if (notBefore === undefined || Type !== 'DAYS') return forward(operation, input);
      const Validity = { Type: 'ABSOLUTE', Value: notBefore.Value + Value * 86_400 };
      return forward(operation, { ...input, Validity });
    },
  }),
  faultOf('IssueCertificate', {
    name: 'the path length of a template is always 0',
    caughtBy: 'template/SubordinateCACertificate_PathLen2 fixes the path length',
    apply: ({ operation, input, forward }) => {
      const TemplateArn = templateOf(input).replace(/PathLen[1-3]/, 'PathLen0');
      return forward(operation, input.TemplateArn === undefined ? input : { ...input, TemplateArn });
    },
  }),
  faultOf('IssueCertificate', {
    name: 'a DISABLED CA goes on issuing',
    caughtBy: 'status/a DISABLED CA issues nothing and takes no new certificate',
    apply: async (call) => {
      const answer = await asIs(call);
      if (codeOf(answer) !== 'InvalidStateException') return answer;
      const { CertificateAuthorityArn } = call.input;
      const set = (Status: string) => call.forward('UpdateCertificateAuthority', { CertificateAuthorityArn, Status });
      await set('ACTIVE');
      const issued = await asIs(call);
      await set('DISABLED');
      return issued;
    },
  }),
];

const answerFaults: readonly PlantedFault[] = [
  faultOf('GetCertificate', {
    name: 'the chain begins with the root',
    caughtBy: 'get/the chain begins with the CA and ends in its root',
    apply: async (call) => {
      const answer = await asIs(call);
      const blocks = String(answer.json.CertificateChain ?? '').match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g);
      if (blocks === null) return answer;
      return { ...answer, json: { ...answer.json, CertificateChain: blocks.reverse().join('\n') } };
    },
  }),
  {
    name: 'certificate ARNs end in the serial number in hex',
    caughtBy: 'get/the ARN ends in the serial number in decimal',
    apply: async ({ operation, input, forward }) => {
      const rewrite = (arn: unknown, change: (serial: string) => string) =>
        String(arn).replace(/[^/]+$/, (serial) => change(serial));
      if (operation === 'GetCertificate') {
        const CertificateArn = rewrite(input.CertificateArn, (hex) => String(BigInt(`0x${hex}`)));
        return forward(operation, { ...input, CertificateArn });
      }
      const answer = await forward(operation, input);
      if (operation !== 'IssueCertificate' || answer.status !== 200) return answer;
      const inHex = rewrite(answer.json.CertificateArn, (decimal) => BigInt(decimal).toString(16));
      return { ...answer, json: { CertificateArn: inHex } };
    },
  },
  faultOf('GetCertificate', {
    name: 'a certificate that is not there yet does not exist',
    caughtBy: 'get/is RequestInProgressException until the certificate is there',
    apply: (call) => recoded(call, 'RequestInProgressException', 'ResourceNotFoundException'),
  }),
  faultOf('RevokeCertificate', {
    name: 'a certificate can be revoked twice',
    caughtBy: 'revoke/of what is revoked is RequestAlreadyProcessedException, whatever the reason',
    apply: async (call) => {
      const answer = await asIs(call);
      return codeOf(answer) === 'RequestAlreadyProcessedException' ? ok : answer;
    },
  }),
  faultOf('RevokeCertificate', {
    name: 'certificateHold is a reason',
    caughtBy: 'revoke/knows neither certificateHold nor removeFromCRL',
    apply: ({ operation, input, forward }) => {
      const isHold = input.RevocationReason === 'CERTIFICATE_HOLD';
      return forward(operation, isHold ? { ...input, RevocationReason: 'UNSPECIFIED' } : input);
    },
  }),
  faultOf('ListCertificateAuthorities', {
    name: 'the second page is the first again',
    caughtBy: 'list/pages have each CA once',
    apply: ({ operation, input, forward }) => forward(operation, without(input, 'NextToken')),
  }),
];

const protocolFaults: readonly PlantedFault[] = [
  {
    name: 'a broken constraint is InvalidArgsException',
    caughtBy: 'model/IssueCertificate.Validity.Value refuses',
    apply: (call) => recoded(call, 'ValidationException', 'InvalidArgsException'),
  },
  {
    name: 'an error is named in its message only',
    caughtBy: 'protocol/an error is named in the body or in x-amzn-errortype',
    apply: async (call) => {
      const answer = await asIs(call);
      if (answer.status === 200) return answer;
      return { ...answer, json: { message: `${codeOf(answer)}: ${answer.json.message}` } };
    },
  },
  faultOf('IssueCertificate', {
    name: 'the CSR may be longer than the model says',
    caughtBy: 'model/IssueCertificate.Csr refuses',
    apply: ({ operation, input, forward }) => {
      const isLong = typeof input.Csr === 'string' && Buffer.from(input.Csr, 'base64').length > 32_768;
      return forward(operation, isLong ? { ...input, Csr: 'AAAA' } : input);
    },
  }),
  faultOf('DescribeCertificateAuthority', {
    name: 'timestamps are texts',
    caughtBy: 'model/every answer has the form of the model',
    apply: async (call) => {
      const answer = await asIs(call);
      const ca = answer.json.CertificateAuthority as Json | undefined;
      if (ca === undefined) return answer;
      const CreatedAt = new Date(Number(ca.CreatedAt) * 1000).toISOString();
      return { ...answer, json: { CertificateAuthority: { ...ca, CreatedAt } } };
    },
  }),
];

/** All of them, one at a time. */
export const plantedFaults: readonly PlantedFault[] = [...issuanceFaults, ...answerFaults, ...protocolFaults];
