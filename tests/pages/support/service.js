// One of our services, run as it is deployed, with its log.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { eventually } from './eventually.js';

export class Service {
  #child;
  #log = [];

  constructor(path, environment) {
    this.path = path;
    this.#child = spawn(path, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.on('error', (error) => this.#log.push(`cannot be started: ${error.message}`));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#log.push(line));
    }
  }

  /** Waits for a line of its log that holds a text. */
  says(text) {
    return eventually(`${this.path} to say "${text}"`, () => {
      const line = this.#log.find((line) => line.includes(text));
      if (!line) throw new Error(this.#log.slice(-20).join('\n') || 'nothing');
      return line;
    });
  }

  /** Waits until `/readyz` says so. */
  async ready() {
    const line = await this.says('health and metrics on http://');
    const [ops] = line.match(/http:\/\/[^/\s"]+/);
    await eventually(`${this.path} to be ready`, async () => {
      const response = await fetch(`${ops}/readyz`);
      if (!response.ok) throw new Error(await response.text());
    });
  }

  /** Freezes it: connections stay open and nothing answers. */
  freeze() {
    this.#child.kill('SIGSTOP');
  }

  /** Wakes it up again. */
  thaw() {
    this.#child.kill('SIGCONT');
  }

  /** Ends it and waits. */
  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}
