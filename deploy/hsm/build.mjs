/**
 * Bundles what signs with the HSM's keys, the signer and the publisher of CRLs, as serverless.yml does, with what speaks to an HSM in
 * it: node deploy/hsm/build.mjs FOLDER [HIERARCHY]
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';

const [folder = 'out', hierarchy = 'hierarchy.yaml'] = process.argv.slice(2);
const { forHsm } = createRequire(import.meta.url)('../esbuild-plugins.cjs');

for (const name of ['signer', 'crls']) {
  await build({
    entryPoints: [join(import.meta.dirname, '..', '..', 'functions', name, 'handler.ts')],
    outfile: join(folder, 'functions', name, 'handler.mjs'),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    conditions: ['sealwright-aws', 'module'],
    mainFields: ['module', 'main'],
    external: ['pkcs11js'],
    plugins: forHsm(hierarchy),
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
  });
}
