/**
 * The certificate templates of ACM PCA (user guide, "template definitions"), as data. A template fixes extensions; what it
 * leaves open comes from the API passthrough, then from the CSR, where its name ends in the passthrough of that kind.
 */
import type { KeyUsageName } from '../../shared/pki/certification-request.ts';
import { parseTemplateArn } from './arn.ts';
import { refuse } from './errors.ts';
import { purposes } from './purposes.ts';

export interface Template {
  readonly name: string;
  readonly kind: 'end-entity' | 'subordinate' | 'root';
  /** ApiPassthrough is read; without it the parameter is ignored silently. */
  readonly api: boolean;
  /** All extensions of the CSR are copied, not its subject and SAN alone. */
  readonly csr: boolean;
  readonly basicConstraintsCritical: boolean;
  readonly pathLen?: number;
  readonly keyUsage?: readonly KeyUsageName[];
  readonly extendedKeyUsage?: { readonly purposes: readonly string[]; readonly critical: boolean };
}

type Fixed = Omit<Template, 'name' | 'api' | 'csr'>;

const tlsKeyUsage: readonly KeyUsageName[] = ['digitalSignature', 'keyEncipherment'];
const authorityKeyUsage: readonly KeyUsageName[] = ['digitalSignature', 'keyCertSign', 'cRLSign'];
const endEntity = { kind: 'end-entity', basicConstraintsCritical: false } as const;

function tls(...names: readonly (keyof typeof purposes)[]): Fixed {
  const extendedKeyUsage = { purposes: names.map((name) => purposes[name]), critical: false };
  return { ...endEntity, keyUsage: tlsKeyUsage, extendedKeyUsage };
}

function singlePurpose(name: keyof typeof purposes): Fixed {
  const extendedKeyUsage = { purposes: [purposes[name]], critical: true };
  return { ...endEntity, keyUsage: ['digitalSignature'], extendedKeyUsage };
}

const variants = {
  base: { suffix: '', api: false, csr: false },
  csr: { suffix: '_CSRPassthrough', api: false, csr: true },
  api: { suffix: '_APIPassthrough', api: true, csr: false },
  both: { suffix: '_APICSRPassthrough', api: true, csr: true },
} as const;
type Variant = keyof typeof variants;

const everyVariant: readonly Variant[] = ['base', 'csr', 'api', 'both'];
const passthroughOnly: readonly Variant[] = ['csr', 'api', 'both'];
const pathLengths = [0, 1, 2, 3] as const;

function family(stem: string, fixed: Fixed, of: readonly Variant[]): readonly Template[] {
  return of.map((variant) => {
    const { suffix, api, csr } = variants[variant];
    return { name: `${stem}${suffix}`, api, csr, ...fixed };
  });
}

const authority = { basicConstraintsCritical: true } as const;

const all: readonly Template[] = [
  ...family('EndEntityCertificate', tls('SERVER_AUTH', 'CLIENT_AUTH'), everyVariant),
  ...family('EndEntityClientAuthCertificate', tls('CLIENT_AUTH'), everyVariant),
  ...family('EndEntityServerAuthCertificate', tls('SERVER_AUTH'), everyVariant),
  ...family('CodeSigningCertificate', singlePurpose('CODE_SIGNING'), everyVariant),
  ...family('OCSPSigningCertificate', singlePurpose('OCSP_SIGNING'), everyVariant),
  ...family('BlankEndEntityCertificate', endEntity, passthroughOnly),
  ...family(
    'BlankEndEntityCertificate_CriticalBasicConstraints',
    { ...endEntity, basicConstraintsCritical: true },
    passthroughOnly,
  ),
  ...family('RootCACertificate', { kind: 'root', keyUsage: authorityKeyUsage, ...authority }, ['base', 'api']),
  ...family('BlankRootCACertificate', { kind: 'root', ...authority }, ['api']),
  ...pathLengths.flatMap((pathLen) => [
    ...family(
      `SubordinateCACertificate_PathLen${pathLen}`,
      { kind: 'subordinate', pathLen, keyUsage: authorityKeyUsage, ...authority },
      everyVariant,
    ),
    ...family(
      `BlankSubordinateCACertificate_PathLen${pathLen}`,
      { kind: 'subordinate', pathLen, ...authority },
      passthroughOnly,
    ),
    ...family(`BlankRootCACertificate_PathLen${pathLen}`, { kind: 'root', pathLen, ...authority }, ['api']),
  ]),
];

/** Every template by its name. */
export const templates: ReadonlyMap<string, Template> = new Map(all.map((template) => [template.name, template]));

/** What the service applies when no TemplateArn is given. */
export const defaultTemplateName = 'EndEntityCertificate';

/** The template of an ARN; EndEntityCertificate/V1 without one. InvalidArgsException for one that is not in the catalogue. */
export function resolveTemplate(arn: string | undefined): Template {
  const name = arn === undefined ? defaultTemplateName : parseTemplateArn(arn);
  const template = name === undefined ? undefined : templates.get(name);
  if (template === undefined) refuse('InvalidArgsException', `The template ARN ${arn} is not valid.`);
  return template;
}
