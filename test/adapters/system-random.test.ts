import { SystemRandom } from '../../src/adapters/system-random.js';
import { randomContract } from '../contracts/random.js';

randomContract('system random', () => new SystemRandom());
