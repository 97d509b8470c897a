/**
 * `node test/conformance/model/distil.ts service-2.json VERSION > test/conformance/model/acm-pca-2017-08-22.json`: what the
 * cases need of botocore's service model of ACM PCA: operations with their errors, shapes with their constraints. Its prose is
 * left out. README.md beside this file says where the model comes from.
 */
import { readFileSync } from 'node:fs';

type Members = Record<string, unknown>;

const kept = ['type', 'required', 'min', 'max', 'pattern', 'enum', 'exception'] as const;

function shapeOf(shape: Members): Members {
  const constraints = Object.fromEntries(kept.flatMap((name) => (name in shape ? [[name, shape[name]]] : [])));
  const members = Object.entries((shape.members as Record<string, Members> | undefined) ?? {});
  return {
    ...constraints,
    ...(shape.type === 'structure' ? { members: Object.fromEntries(members.map(([n, m]) => [n, m.shape])) } : {}),
    ...(shape.type === 'list' ? { member: (shape.member as Members).shape } : {}),
  };
}

function operationOf(operation: Members): Members {
  return {
    input: (operation.input as Members).shape,
    ...(operation.output === undefined ? {} : { output: (operation.output as Members).shape }),
    errors: ((operation.errors ?? []) as Members[]).map(({ shape }) => shape),
  };
}

const [file = '', version = ''] = process.argv.slice(2);
const model = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly metadata: Members;
  readonly operations: Record<string, Members>;
  readonly shapes: Record<string, Members>;
};
const distilled = {
  source: {
    package: 'botocore',
    version,
    file: 'botocore/data/acm-pca/2017-08-22/service-2.json.gz',
    licence: 'Apache-2.0',
    copyright: 'Copyright 2012-2022 Amazon.com, Inc. or its affiliates. All Rights Reserved.',
    changes: 'distilled: prose left out, members named by their shapes (test/conformance/model/distil.ts)',
  },
  apiVersion: model.metadata.apiVersion,
  targetPrefix: model.metadata.targetPrefix,
  jsonVersion: model.metadata.jsonVersion,
  operations: Object.fromEntries(Object.entries(model.operations).map(([name, one]) => [name, operationOf(one)])),
  shapes: Object.fromEntries(Object.entries(model.shapes).map(([name, one]) => [name, shapeOf(one)])),
};
process.stdout.write(`${JSON.stringify(distilled, null, 2)}\n`);
