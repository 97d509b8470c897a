/**
 * What makes bundles small beside tree-shaking:
 * - One copy of a package. npm nests the same version of the SDK's packages under each client, since the pinned
 *   client-acm-pca has older ones at the top; esbuild takes each folder for another package.
 * - The credentials of a Lambda in the place of the SDK's default chain (lambda-credentials.ts).
 */
const { existsSync, readFileSync } = require('node:fs');
const { dirname, join, relative } = require('node:path');

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

module.exports = [oneCopy];
