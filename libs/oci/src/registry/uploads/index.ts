export { openUploads, type UploadOptions, type UploadOutcome, type Uploads } from './uploads.ts';
