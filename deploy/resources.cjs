const { resolve } = require('node:path');

/** osls reads scripts of this kind only; Node 24 strips the types of what it loads. */
const [major] = process.versions.node.split('.').map(Number);
if (major < 24) throw new Error(`this is Node ${process.versions.node}: osls runs on the project's Node 24 with npx osls`);

module.exports = async (/** @type {import('./template.ts').OslsVariables} */ { resolveConfigurationProperty, resolveVariable }) => {
  const file = resolve(__dirname, '..', await resolveConfigurationProperty(['custom', 'hierarchy']));
  const hierarchy = require('../shared/adapters/stack/hierarchy-file.ts').readHierarchy(file);
  return require('./resources.ts').deployedResources(hierarchy, await resolveVariable('sls:stage'));
};
