/**
 * What makes bundles small beside tree-shaking:
 * - One copy of a package. npm nests the same version of the SDK's packages under each client, since the pinned
 *   client-acm-pca has older ones at the top; esbuild takes each folder for another package.
 * - The hierarchy read and judged when it is packaged, and not at each cold start.
 * - Nothing of an HSM where there is none.
 * - The credentials of a Lambda in the place of the SDK's default chain (lambda-credentials.ts).
 */
const { existsSync, readFileSync } = require('node:fs');
const { dirname, join, relative, resolve } = require('node:path');

const credentials = join(__dirname, 'lambda-credentials.ts');

function packageFolderOf(/** @type {string} */ file) {
  let folder = dirname(file);
  while (folder !== dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) {
      const { name, version } = JSON.parse(readFileSync(manifest, 'utf8'));
      if (name !== undefined && version !== undefined) return { folder, id: `${name}@${version}` };
    }
    folder = dirname(folder);
  }
  return undefined;
}

const oneCopy = {
  name: 'one-copy-of-a-package',
  setup(/** @type {import('esbuild').PluginBuild} */ build) {
    /** @type {Map<string, string>} */
    const folders = new Map();
    build.onResolve({ filter: /^(@aws-sdk|@smithy)\// }, async ({ path, ...args }) => {
      if (args.pluginData === 'resolving') return undefined;
      if (path === '@aws-sdk/credential-provider-node' || path === '@aws-sdk/client-sts') return { path: credentials };
      const { importer, kind, namespace, resolveDir } = args;
      const found = await build.resolve(path, { importer, kind, namespace, resolveDir, pluginData: 'resolving' });
      if (found.errors.length > 0 || found.external) return found;
      const of = packageFolderOf(found.path);
      if (of === undefined) return found;
      const first = folders.get(of.id) ?? of.folder;
      folders.set(of.id, first);
      return { ...found, path: join(first, relative(of.folder, found.path)) };
    });
  },
};

/** The hierarchy as JSON in each bundle; a file with faults is not packaged (packaged-hierarchy.ts). */
function hierarchyOf(/** @type {string} */ file) {
  return {
    name: 'hierarchy-as-json',
    setup(/** @type {import('esbuild').PluginBuild} */ { initialOptions }) {
      const packed = require('./packaged-hierarchy.ts').packHierarchy(file);
      initialOptions.define = { ...initialOptions.define, SEALWRIGHT_PACKAGED_HIERARCHY: packed };
    },
  };
}

/** A zip has no PKCS#11 library: what speaks to one is in the image of the HSM's signer alone (deploy/hsm/). */
const withoutHsm = {
  name: 'without-hsm',
  setup(/** @type {import('esbuild').PluginBuild} */ build) {
    build.onLoad({ filter: /shared\/adapters\/(pkcs11\/(backend|pin-source|softhsm|return-values)|cloudhsm\/[\w-]+|software\/backend)\.ts$/ }, ({ path }) => ({
      contents: refusing(readFileSync(path, 'utf8')),
      loader: 'ts',
    }));
  },
};

/** The same names, which throw when they are called. */
function refusing(/** @type {string} */ source) {
  const names = [...source.matchAll(/^export (?:async )?(?:function|class|const) (\w+)/gm)].map((match) => match[1]);
  const refusal = `throw new Error('this bundle has no HSM: deploy the image of deploy/hsm')`;
  return names.map((name) => `export function ${name}() { ${refusal}; }`).join('\n');
}

/** For serverless-esbuild, which hands its instance over; the file is the deployment's parameter `hierarchy`. */
module.exports = (/** @type {{ service: { custom: { hierarchy: string } }, serviceDir: string }} */ { service, serviceDir }) => [
  oneCopy,
  hierarchyOf(resolve(serviceDir, service.custom.hierarchy)),
  withoutHsm,
];
module.exports.forHsm = (/** @type {string} */ hierarchyFile) => [oneCopy, hierarchyOf(hierarchyFile)];
