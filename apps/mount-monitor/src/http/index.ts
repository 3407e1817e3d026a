export { createRouter } from './routes.ts';
export { HttpServer, ListenError } from './server.ts';
