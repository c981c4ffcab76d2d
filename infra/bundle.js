import { build } from './build.js';

/** The osls plugin that bundles the functions before they are packaged: osls itself has no bundler. */
export default class BundlePlugin {
  constructor() {
    const bundle = () => build();
    this.hooks = { 'before:package:initialize': bundle, 'before:deploy:function:initialize': bundle };
  }
}
