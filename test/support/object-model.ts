/** The simulator's model of objects, under the names that the tests use. */
export {
  bytesOfContent as bodyOf,
  describeContent,
  makeBody,
  matchContent,
  multipartContent,
  singleContent,
  type Content,
} from '../../simulations/content.js';
export { ObjectModel, type Write } from '../../simulations/object-model.js';
