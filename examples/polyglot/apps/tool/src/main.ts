// Prints JSON indented by two spaces.
import { text } from 'node:stream/consumers';

const [first] = process.argv.slice(2);
if (first === '--version') console.log(`tool ${process.env.RELEASE_VERSION}`);
else if (first === '--help') console.log('usage: tool < FILE\nPrints JSON indented by two spaces.');
else console.log(JSON.stringify(JSON.parse(await text(process.stdin)), null, 2));
