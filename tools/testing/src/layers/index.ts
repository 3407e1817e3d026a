export {
  type ForgedHeader,
  forgedEntry,
  forgedHeader,
  forgedRecords,
  skippableFrame,
  TAR_END,
  zstdFrame,
} from './forged-layer.ts';
export {
  entryBomb,
  type ForgedLayer,
  LAYER_FORGERIES,
  type LayerForgery,
  type PlannedFile,
} from './layer-forgeries.ts';
