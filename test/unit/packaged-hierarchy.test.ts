import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { packHierarchy } from '../../deploy/packaged-hierarchy.ts';
import { readHierarchy } from '../../shared/adapters/stack/hierarchy-file.ts';
import { unpackHierarchy } from '../../shared/adapters/stack/packaged-hierarchy.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';

const { forHsm } = createRequire(import.meta.url)('../../deploy/esbuild-plugins.cjs') as {
  forHsm: (hierarchyFile: string) => Plugin[];
};
const folder = mkdtempSync(join(tmpdir(), 'sealwright-packed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a bundle says when its module of the packaged hierarchy is asked. */
async function bundled(file: string): Promise<{ readonly hierarchy: Hierarchy; readonly inputs: readonly string[] }> {
  const outfile = join(folder, 'bundle.mjs');
  const { metafile } = await build({
    stdin: {
      contents: "export { packagedHierarchy } from './shared/adapters/stack/packaged-hierarchy.ts';",
      resolveDir: process.cwd(),
    },
    outfile,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    metafile: true,
    logLevel: 'silent',
    plugins: forHsm(file),
  });
  const made = (await import(outfile)) as { packagedHierarchy: () => Hierarchy };
  return { hierarchy: made.packagedHierarchy(), inputs: Object.keys(metafile.inputs) };
}

describe('the hierarchy in a bundle', () => {
  it('is the one that the embedded stack reads from the YAML, policyVersion and all (packaged-hierarchy)', async () => {
    const { hierarchy, inputs } = await bundled('hierarchy.yaml');
    const read = readHierarchy('hierarchy.yaml');
    expect(hierarchy).toEqual(read);
    expect(hierarchy.policyVersion).toBe(read.policyVersion);
    expect(inputs.filter((input) => /node_modules\/(yaml|ajv)\//.test(input))).toEqual([]);
  });

  it('is refused whole when the file has faults, with each and its line (packaged-hierarchy)', async () => {
    const file = join(folder, 'faulty.yaml');
    const text = readFileSync('hierarchy.yaml', 'utf8');
    writeFileSync(file, text.replace('stage: dev', 'stage: moon').replace('validity: ', 'validity: soon # '));
    expect(() => packHierarchy(file)).toThrow(/refused, for \d+ faults:\n.*faulty\.yaml:\d+:\d+/);
    await expect(bundled(file)).rejects.toThrow(/the hierarchy is refused/);
  });

  it('is not used when it is not what its policyVersion says (packaged-hierarchy)', () => {
    const packed = JSON.parse(packHierarchy('hierarchy.yaml')) as Hierarchy;
    expect(unpackHierarchy(packed)).toBe(packed);
    const [first, ...others] = packed.profiles;
    const changed = { ...packed, profiles: [{ ...first!, keys: ['RSA-2048' as const] }, ...others] };
    expect(() => unpackHierarchy(changed)).toThrow(/package it again/);
  });
});
