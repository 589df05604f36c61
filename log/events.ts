/**
 * Every event there is. The log is the truth; all state is a fold of these.
 *
 * Invariants: an event says everything a projection needs, so that each projection folds alone and never asks
 * another one: whatever leaves (`Replaced`) is named with its size, state and extents. `version` is the offset of the
 * event that committed that version of the object. `atMs` is the wall time of the decision; a fold never reads a clock.
 *
 * A file per subject declares them, and this one the unions. The wire form is `log/events.proto`; a type once written
 * there is never changed, only added to.
 */
import type {
  BucketConfigured,
  BucketCreated,
  BucketDeleted,
  JobChanged,
  MountAdded,
  MountRemoved,
  MountSettled,
  PathConfigChanged,
  UserChanged,
  UserRemoved,
} from './control-events.js';
import type {
  ExtentsMoved,
  ObjectCommitted,
  ObjectDeleted,
  ObjectEvicted,
  PartStored,
  UploadAborted,
  UploadOpened,
  WriteAbandoned,
  WriteOpened,
} from './object-events.js';
import type {
  DeletePersisted,
  ObjectPersisted,
  PersistDiscarded,
  PersistFailed,
  PersistRetried,
  UfsBaseNoted,
  UfsPartStored,
  UfsUploadEnded,
  UfsUploadStarted,
} from './persist-events.js';

export type DataEvent =
  | WriteOpened
  | WriteAbandoned
  | ObjectCommitted
  | ObjectDeleted
  | ObjectPersisted
  | DeletePersisted
  | PersistFailed
  | PersistRetried
  | PersistDiscarded
  | UfsUploadStarted
  | UfsPartStored
  | UfsUploadEnded
  | UfsBaseNoted
  | ObjectEvicted
  | ExtentsMoved
  | UploadOpened
  | PartStored
  | UploadAborted;

export type ControlEvent =
  | BucketCreated
  | BucketDeleted
  | BucketConfigured
  | PathConfigChanged
  | MountAdded
  | MountRemoved
  | MountSettled
  | UserChanged
  | UserRemoved
  | JobChanged;

export type Event = DataEvent | ControlEvent;
export type EventType = Event['type'];
