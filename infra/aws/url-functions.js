/** The functions with a URL; beside them there is the registrar. With `door=container` one service stands for all of them. */
export const urlFunctions = ['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad', 'nodes'];
