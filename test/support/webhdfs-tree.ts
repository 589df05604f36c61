/** The namespace of the WebHDFS stand-in: the rules of HDFS, as a Hadoop 3.4 namenode was seen to apply them. */

const NAME_BYTES_MAX = 255;
/** Of name and value, as `dfs.namenode.fs-limits.max-xattr-size` is by default. */
const ATTRIBUTE_BYTES_MAX = 16_384;
/** As the tests set `dfs.ls.limit` on a real one. */
const PAGE_ENTRIES_MAX = 5;
const INODES = '/.reserved/.inodes/';
const FIRST_INODE = 16_386;

export class Refusal extends Error {
  readonly exception: string;

  constructor(exception: string, message: string) {
    super(message);
    this.exception = exception;
  }
}

interface Inode {
  readonly id: number;
  /** Undefined for a file. */
  readonly children: Map<string, Inode> | undefined;
  bytes: Buffer;
  readonly attributes: Map<string, string>;
  modifiedMs: number;
}

export class WebHdfsTree {
  readonly #user: string;
  readonly #inodes = new Map<number, Inode>();
  readonly #root: Inode;
  #nextId = FIRST_INODE;

  constructor(user: string) {
    this.#user = user;
    this.#root = this.#inode(true);
  }

  /** One user may do everything, all others nothing. */
  authorize(user: string): void {
    if (user === this.#user) return;
    throw new Refusal('AccessControlException', `Permission denied: user=${user}, access=WRITE, inode="/"`);
  }

  makeDirectories(path: string): void {
    let current = this.#root;
    for (const name of namesOf(path)) {
      const { children } = current;
      const next = children?.get(name);
      if (children === undefined)
        throw new Refusal('ParentNotDirectoryException', `${path} (is not a directory)`);
      if (next === undefined) {
        current = this.#inode(true);
        this.#link(children, name, current, path);
      } else current = next;
    }
    if (current.children === undefined) {
      throw new Refusal('FileAlreadyExistsException', `Path is not a directory: ${path}`);
    }
  }

  checkCreate(path: string, overwrite: boolean): void {
    const found = this.#find(path);
    if (found !== undefined && !overwrite) {
      throw new Refusal('FileAlreadyExistsException', `${path} for client 127.0.0.1 already exists`);
    }
  }

  create(path: string, overwrite: boolean): void {
    this.checkCreate(path, overwrite);
    const names = namesOf(path);
    const name = names.pop() ?? '';
    this.makeDirectories(`/${names.join('/')}`);
    const parent = this.#find(`/${names.join('/')}`)?.children;
    if (parent !== undefined) this.#link(parent, name, this.#inode(false), path);
  }

  /** What came of a file's bytes; the file may have been removed meanwhile. */
  fill(path: string, bytes: Buffer): void {
    const found = this.#find(path);
    if (found !== undefined) found.bytes = bytes;
  }

  checkOpen(path: string, offset: number): void {
    const { bytes } = this.#file(path);
    if (offset < 0 || (offset > 0 && offset >= bytes.length)) {
      throw new Refusal(
        'IOException',
        `Offset=${offset} out of the range [0, ${bytes.length}); OPEN, path=${path}`,
      );
    }
  }

  read(path: string): Buffer {
    return this.#file(path).bytes;
  }

  renameOver(from: string, to: string): void {
    const source = this.#find(from);
    const [fromNames, toNames] = [namesOf(from), namesOf(to)];
    const [fromName, toName] = [fromNames.pop() ?? '', toNames.pop() ?? ''];
    if (source === undefined)
      throw new Refusal('FileNotFoundException', `rename source ${from} is not found.`);
    const parents = `/${toNames.join('/')}`;
    this.#requireNoFileAbove(to);
    const target = this.#find(parents);
    if (target === undefined) {
      throw new Refusal('FileNotFoundException', `rename destination parent ${parents} not found.`);
    }
    const old = target.children?.get(toName);
    if (old !== undefined && (old.children === undefined) !== (source.children === undefined)) {
      throw new Refusal('IOException', `Source ${from} and destination ${to} must both be directories`);
    }
    const fromParent = this.#find(`/${fromNames.join('/')}`);
    if (fromParent?.children === undefined || target.children === undefined) throw new Error('unreachable');
    if (old !== undefined) this.#forget(old);
    fromParent.children.delete(fromName);
    this.#link(target.children, toName, source, to);
    fromParent.modifiedMs = target.modifiedMs = Date.now();
  }

  setAttribute(path: string, name: string, value: string): void {
    const { attributes } = this.#existing(path);
    if (attributes.has(name)) {
      throw new Refusal('IOException', `XAttr: ${name} already exists. The REPLACE flag must be specified.`);
    }
    if (name.length + Buffer.from(value.slice(2), 'base64').length > ATTRIBUTE_BYTES_MAX) {
      throw new Refusal('HadoopIllegalArgumentException', 'The XAttr is too big.');
    }
    attributes.set(name, value);
  }

  attributes(path: string): { name: string; value: string }[] {
    return [...this.#existing(path).attributes].map(([name, value]) => ({ name, value }));
  }

  setModified(path: string, modifiedMs: number): void {
    this.#existing(path).modifiedMs = modifiedMs;
  }

  status(path: string): object {
    return statusOf('', this.#existing(path));
  }

  /** Names are ordered by their bytes as signed numbers, as Java has them. */
  list(path: string, startAfter: string): { readonly entries: object[]; readonly remaining: number } {
    this.#requireNoFileAbove(path, 'AccessControlException');
    const found = this.#find(path);
    if (found === undefined) throw new Refusal('FileNotFoundException', `File ${path} does not exist.`);
    if (found.children === undefined) return { entries: [statusOf('', found)], remaining: 0 };
    const names = [...found.children.keys()].sort(compareSigned);
    const rest = names.filter((name) => startAfter === '' || compareSigned(name, startAfter) > 0);
    const page = rest.slice(0, PAGE_ENTRIES_MAX);
    const entries = page.map((name) => statusOf(name, found.children?.get(name) ?? found));
    return { entries, remaining: rest.length - page.length };
  }

  remove(path: string, recursive: boolean): boolean {
    this.#requireNoFileAbove(path, 'AccessControlException');
    const found = this.#find(path);
    const names = namesOf(path);
    const name = names.pop();
    const parent = this.#find(`/${names.join('/')}`);
    if (found === undefined || name === undefined || parent === undefined) return false;
    if (!recursive && (found.children?.size ?? 0) > 0) {
      throw new Refusal(
        'PathIsNotEmptyDirectoryException',
        `\`${path} is non empty': Directory is not empty`,
      );
    }
    parent.children?.delete(name);
    parent.modifiedMs = Date.now();
    this.#forget(found);
    return true;
  }

  /** Paths of all files, for tests that look for leftovers. */
  files(from: Inode = this.#root, path = ''): string[] {
    if (from.children === undefined) return [path];
    return [...from.children].flatMap(([name, child]) => this.files(child, `${path}/${name}`));
  }

  #inode(isDirectory: boolean): Inode {
    const children = isDirectory ? new Map<string, Inode>() : undefined;
    const inode = {
      id: this.#nextId++,
      children,
      bytes: Buffer.alloc(0),
      attributes: new Map(),
      modifiedMs: Date.now(),
    };
    this.#inodes.set(inode.id, inode);
    return inode;
  }

  #link(children: Map<string, Inode>, name: string, inode: Inode, path: string): void {
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
      throw new Refusal(
        'PathComponentTooLongException',
        `The maximum path component name limit is exceeded in ${path}`,
      );
    }
    children.set(name, inode);
    const parent = this.#find(path.slice(0, path.lastIndexOf('/')) || '/');
    if (parent !== undefined) parent.modifiedMs = Date.now();
  }

  #forget(inode: Inode): void {
    this.#inodes.delete(inode.id);
    for (const child of inode.children?.values() ?? []) this.#forget(child);
  }

  #find(path: string): Inode | undefined {
    if (path.startsWith(INODES)) {
      const inode = this.#inodes.get(Number(path.slice(INODES.length)));
      if (inode !== undefined) return inode;
      throw new Refusal('FileNotFoundException', `File for given inode path does not exist: ${path}`);
    }
    let current: Inode | undefined = this.#root;
    for (const name of namesOf(path)) current = current?.children?.get(name);
    return current;
  }

  #existing(path: string): Inode {
    const found = this.#find(path);
    if (found === undefined) throw new Refusal('FileNotFoundException', `File does not exist: ${path}`);
    return found;
  }

  #file(path: string): Inode {
    const found = this.#find(path);
    if (found === undefined || found.children !== undefined) {
      throw new Refusal('FileNotFoundException', `File ${path} not found.`);
    }
    return found;
  }

  #requireNoFileAbove(path: string, exception = 'ParentNotDirectoryException'): void {
    const names = namesOf(path).slice(0, -1);
    let current: Inode | undefined = this.#root;
    for (const [index, name] of names.entries()) {
      current = current?.children?.get(name);
      if (current !== undefined && current.children === undefined) {
        throw new Refusal(exception, `/${names.slice(0, index + 1).join('/')} (is not a directory)`);
      }
    }
  }
}

function statusOf(pathSuffix: string, inode: Inode): object {
  const isDirectory = inode.children !== undefined;
  return {
    accessTime: 0,
    blockSize: isDirectory ? 0 : 134_217_728,
    childrenNum: inode.children?.size ?? 0,
    fileId: inode.id,
    group: 'supergroup',
    length: inode.bytes.length,
    modificationTime: inode.modifiedMs,
    owner: 'hdfs',
    pathSuffix,
    permission: isDirectory ? '755' : '644',
    replication: isDirectory ? 0 : 1,
    storagePolicy: 0,
    type: isDirectory ? 'DIRECTORY' : 'FILE',
  };
}

/** Refuses the names that HDFS does. */
function namesOf(path: string): string[] {
  if (path.startsWith(INODES)) return [];
  const names = path.split('/').slice(1);
  if (names.length === 1 && names[0] === '') return [];
  for (const name of names) {
    if (name === '' || name === '.' || name === '..' || name.includes(':')) {
      throw new Refusal('InvalidPathException', `Invalid path name Invalid file name: ${path}`);
    }
    if (name === '.snapshot')
      throw new Refusal('HadoopIllegalArgumentException', '".snapshot" is a reserved name.');
  }
  return names;
}

function compareSigned(a: string, b: string): number {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    if (left[at] !== right[at]) return left.readInt8(at) - right.readInt8(at);
  }
  return left.length - right.length;
}
