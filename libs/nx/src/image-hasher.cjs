// Nx loads this only in runs with an image: docker starts to answer while Nx prepares the first task.
const hasher = require('./hasher.cjs');
hasher.expectImage();
module.exports = hasher;
