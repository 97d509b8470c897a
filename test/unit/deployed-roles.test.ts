import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { alarmResources } from '../../deploy/alarms.ts';
import { deployedResources } from '../../deploy/resources.ts';
import { grants, roleIdOf, type Statement, statementsOf } from '../../deploy/roles.ts';
import costs from '../../docs/data-model-costs.json' with { type: 'json' };
import { readHierarchy } from '../../shared/adapters/stack/hierarchy-file.ts';
import { alarmNames } from '../../shared/issuance/alarms.ts';
import { leafTemplateArn } from '../../shared/issuance/build-intent.ts';

const hierarchy = readHierarchy('hierarchy.yaml');
const functions = (
  parse(readFileSync('serverless.yml', 'utf8')) as { functions: Record<string, { role?: string; timeout?: number }> }
).functions;
const names = Object.keys(functions);

function allowing(name: string, action: string): readonly Statement[] {
  return statementsOf(name, hierarchy).filter(({ Action }) => Action.includes(action));
}

function whoMay(action: string): readonly string[] {
  return names.filter((name) => allowing(name, action).length > 0).sort();
}

/** First parts of the partition keys that a function may touch by an action of the table itself. */
function partitions(name: string, action: string): readonly string[] {
  return allowing(name, action).flatMap(({ Condition }) =>
    Object.values(Condition?.['ForAllValues:StringLike'] ?? {}).flatMap((keys) => keys as readonly string[]),
  );
}

describe('roles', () => {
  it('are one a function, and each function has its own (one-role-each)', () => {
    for (const name of names) expect(functions[name]!.role, name).toBe(roleIdOf(name));
    expect(Object.keys(grants).sort()).toEqual([...names].sort());
  });

  it('let only the signer issue, on issuance CAs alone and by the templates of their profiles (only-the-signer-issues)', () => {
    expect(whoMay('acm-pca:IssueCertificate')).toEqual(['signerAcmPca']);
    const issue = allowing('signerAcmPca', 'acm-pca:IssueCertificate');
    expect(issue.map(({ Condition }) => Condition?.StringEquals)).toEqual(
      hierarchy.authorities
        .filter(({ backend, tier }) => backend === 'acm-pca' && tier === 'issuance')
        .map(({ id }) => ({ 'aws:ResourceTag/sealwright:ca': [id], 'acm-pca:TemplateArn': [leafTemplateArn] })),
    );
  });

  it('let nobody make, change or delete a CA, tag one, or revoke at one (no-authority-made)', () => {
    const actions = names.flatMap((name) => statementsOf(name, hierarchy).flatMap(({ Action }) => [...Action]));
    const verbs = actions.filter((action) => action.startsWith('acm-pca:')).map((action) => action.slice(8));
    for (const verb of [
      'CreateCertificateAuthority',
      'UpdateCertificateAuthority',
      'DeleteCertificateAuthority',
      'Tag',
    ])
      expect(
        verbs.some((one) => one.startsWith(verb) && !one.endsWith('AuditReport')),
        verb,
      ).toBe(false);
  });

  it('let the validator neither sign nor read a PIN (validator-cannot-sign)', () => {
    const actions = statementsOf('validator', hierarchy).flatMap(({ Action }) => [...Action]);
    expect(actions.filter((action) => /^(acm-pca|secretsmanager|kms|cloudhsm):/.test(action))).toEqual([]);
    expect(partitions('validator', 'dynamodb:PutItem')).not.toContain('F#*');
    expect(partitions('validator', 'dynamodb:PutItem')).not.toContain('S#*');
  });

  it('reach every partition that the calls of their functions touch, as measured (roles-reach)', () => {
    type How = keyof (typeof costs.calls)[number]['partitions'];
    const signer = ['advance to intended', 'advance to issued', 'advance to submitted', 'getMany', 'leaseCrlSlots'];
    const callsOf: Readonly<Record<string, readonly string[]>> = {
      enroll: ['current', 'receive', 'get', 'watch', 'holders'],
      certificates: ['get'],
      validator: ['getMany', 'holders', 'advance to approved', 'advance to rejected', 'noteAttempts'],
      signerAcmPca: signer,
      signerHsm: signer,
      reconciler: ['getMany', 'advance to issued', 'advance to approved', 'noteAttempts'],
    };
    const actions: Readonly<Record<Exclude<How, 'indexes'>, string>> = {
      read: 'BatchGetItem',
      write: 'UpdateItem',
      check: 'ConditionCheckItem',
    };
    for (const [name, calls] of Object.entries(callsOf)) {
      for (const [how, action] of Object.entries(actions) as [keyof typeof actions, string][]) {
        const touched = costs.calls
          .filter(({ call }) => calls.some((one) => call.startsWith(one)))
          .flatMap(({ partitions: all }) => all[how].map((one) => `${one}#*`));
        expect(partitions(name, `dynamodb:${action}`), `${name}: ${how}`).toEqual(
          expect.arrayContaining([...new Set(touched)]),
        );
      }
    }
  });

  it('let no signer lift the freeze of a CA (freeze-not-lifted)', () => {
    for (const name of ['signerAcmPca', 'signerHsm', 'validator', 'enroll']) {
      for (const action of ['PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem'])
        expect(partitions(name, `dynamodb:${action}`)).not.toContain('A#*');
    }
  });

  it('let the PIN be read by what signs with the HSM alone: certificates, and CRLs (pin-of-two)', () => {
    expect(whoMay('secretsmanager:GetSecretValue')).toEqual(['crlPublisher', 'signerHsm']);
  });

  it('let one function publish CRLs, one hand them out, and what revokes tell of it and no more (crls-of-one)', () => {
    expect(whoMay('s3:PutObject')).toEqual(['crlPublisher']);
    const readers = names.filter((name) => JSON.stringify(allowing(name, 's3:GetObject')).includes('CrlBucket'));
    expect(readers.sort()).toEqual(['certificates', 'crlPublisher']);
    for (const action of ['PutItem', 'UpdateItem', 'DeleteItem'])
      expect(partitions('crlPublisher', `dynamodb:${action}`)).toEqual(['X#*']);
    const writers = names.filter((name) => partitions(name, 'dynamodb:PutItem').includes('X#*'));
    expect(writers.sort()).toEqual(['crlPublisher', 'revocation', 'revocationWatch']);
  });

  it('let enrol look for no certificate: by no index, name, key, serial or ticket, and at no CA (enrol-cannot-search)', () => {
    const indexes = allowing('enroll', 'dynamodb:Query').flatMap(({ Resource }) => JSON.stringify(Resource));
    expect(indexes.join()).not.toMatch(/by-issuer|by-owner/);
    const read = partitions('enroll', 'dynamodb:Query');
    for (const partition of ['M#*', 'S#*', 'T#*', 'C#*']) expect(read).not.toContain(partition);
    const actions = statementsOf('enroll', hierarchy).flatMap(({ Action }) => [...Action]);
    expect(actions.filter((action) => action.startsWith('acm-pca:'))).toEqual([]);
    expect(partitions('enroll', 'dynamodb:PutItem')).not.toContain('F#*');
  });

  it('let the upkeep write counters and nothing else, and the inventory write no counter (upkeep-counts)', () => {
    for (const action of ['PutItem', 'UpdateItem', 'DeleteItem'])
      expect(partitions('upkeep', `dynamodb:${action}`)).toEqual(['C#*']);
    expect(partitions('inventory', 'dynamodb:PutItem')).not.toContain('C#*');
    for (const name of ['upkeep', 'inventory'])
      expect(JSON.stringify(allowing(name, 'dynamodb:Query'))).toContain('by-standing');
  });

  it('have no wildcard of actions, no Scan, no change of the table, and name their resources (named-resources)', () => {
    const everywhere = new Set(['Cluster', 'NetworkInterfaces']);
    for (const name of names) {
      for (const { Action, Resource, Sid } of statementsOf(name, hierarchy)) {
        for (const action of Action) expect(action, `${name} ${Sid}`).toMatch(/^[a-z0-9-]+:[A-Za-z]+$/);
        expect(Action.join()).not.toMatch(/dynamodb:(Scan|DeleteTable|UpdateTable|PartiQL\w+|ExecuteStatement)/);
        if (!everywhere.has(Sid)) expect(Resource, `${name} ${Sid}`).not.toBe('*');
      }
    }
  });

  it('give a batch function only its own queue to read (own-queue)', () => {
    const consumers = names.map((name) => [
      name,
      allowing(name, 'sqs:ReceiveMessage')
        .filter(({ Sid }) => Sid === 'Consume')
        .flatMap(({ Resource }) => (Resource as { 'Fn::GetAtt': string[] }[]).map((one) => one['Fn::GetAtt'][0])),
    ]);
    expect(Object.fromEntries(consumers.filter(([, ids]) => ids!.length > 0))).toEqual({
      validator: ['EnrolmentQueue'],
      signerAcmPca: ['SigningAcmPcaQueue'],
      signerHsm: ['SigningPkcs11Queue'],
    });
  });
});

describe('the template', () => {
  const { Resources: made } = deployedResources(hierarchy, 'dev');

  it('has an alarm for each that is logged, and for age, dead letters and the quota (an-alarm-each)', () => {
    const logged = Object.values(alarmResources).flatMap(({ Properties }) =>
      ((Properties.Dimensions ?? []) as { Name: string; Value: unknown }[]).flatMap(({ Name, Value }) =>
        Name === 'alarm' ? [Value] : [],
      ),
    );
    expect(logged.sort()).toEqual(alarmNames.filter((name) => name !== 'wal-large').sort());
    for (const id of ['EnrolmentAgeAlarm', 'SigningAcmPcaDeadAlarm', 'QuotaNearAlarm']) expect(made).toHaveProperty(id);
  });

  it('has an alarm when the upkeep fails, and when it is not called at all (upkeep-dead)', () => {
    expect(made.UpkeepErrorsAlarm!.Properties).toMatchObject({
      MetricName: 'Errors',
      TreatMissingData: 'notBreaching',
    });
    expect(made.UpkeepSilentAlarm!.Properties).toMatchObject({
      MetricName: 'Invocations',
      ComparisonOperator: 'LessThanThreshold',
      Threshold: 1,
      TreatMissingData: 'breaching',
    });
  });

  it('keeps the table: on demand, restorable, protected, under a key of the customer (table-kept)', () => {
    expect(made.IssuanceTable).toMatchObject({
      DeletionPolicy: 'Retain',
      Properties: {
        BillingMode: 'PAY_PER_REQUEST',
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
      },
    });
  });

  it('serves CRLs over plain HTTP from where they are published, and lets ACM PCA publish beside them alone (crl-host)', () => {
    const { DistributionConfig } = made.CrlDistribution!.Properties as { DistributionConfig: Record<string, object> };
    expect(DistributionConfig.DefaultCacheBehavior).toMatchObject({ ViewerProtocolPolicy: 'allow-all' });
    const policy = JSON.stringify(made.CrlBucketPolicy!.Properties);
    expect(policy).toContain('.Arn}/v1/crls/*');
    const { Statement } = (made.CrlBucketPolicy!.Properties as { PolicyDocument: { Statement: Statement[] } })
      .PolicyDocument;
    const written = JSON.stringify(Statement.find(({ Action }) => Action?.includes('s3:PutObject'))?.Resource);
    expect(written).toContain('.Arn}/crl/*');
    expect(written).not.toContain('v1');
    expect(made.CrlBucket!.Properties).toMatchObject({
      PublicAccessBlockConfiguration: { BlockPublicPolicy: true, RestrictPublicBuckets: true },
    });
  });

  it('closes the default endpoints and asks client certificates of renew. (two-hosts)', () => {
    expect(made.HttpApi!.Properties.DisableExecuteApiEndpoint).toEqual({ 'Fn::If': ['HasDomain', true, false] });
    expect(made.RenewApi!.Properties.DisableExecuteApiEndpoint).toBe(true);
    expect(made.RenewDomain!.Properties).toHaveProperty('MutualTlsAuthentication');
    expect(made.EnrollDomain!.Properties).not.toHaveProperty('MutualTlsAuthentication');
  });
});

describe('the domain', () => {
  const domainOf = (stage: 'dev' | 'prod', of: 'dev' | 'prod') =>
    deployedResources({ ...hierarchy, stage: of }, stage).Parameters.DomainName as {
      readonly Default?: string;
      readonly AllowedPattern?: string;
    };

  it('may be left out in dev alone, since execute-api answers without it (prod-has-domain)', () => {
    expect(domainOf('dev', 'dev')).toMatchObject({ Default: '' });
    expect(domainOf('dev', 'dev').AllowedPattern).toBeUndefined();
    for (const [stage, of] of [
      ['prod', 'dev'],
      ['dev', 'prod'],
      ['prod', 'prod'],
    ] as const) {
      const { AllowedPattern = '', Default } = domainOf(stage, of);
      const allowed = new RegExp(`^(?:${AllowedPattern})$`);
      expect([Default, allowed.test(''), allowed.test('fleet.example')]).toEqual([undefined, false, true]);
    }
  });
});
