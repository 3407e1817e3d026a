export { ListenError } from './listen-error.ts';
export { createRouter } from './routes.ts';
export { HttpServer } from './server.ts';
