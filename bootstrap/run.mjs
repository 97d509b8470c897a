import { main } from './commands.mjs';

process.exit(await main(process.argv.slice(2)));
