// The layout of a heat map: one block for each node, in groups, as large as the screen allows.

/** @typedef {{ name: string, x: number, y: number }} Block */
/** @typedef {{ dot: number, columns: number, rows: number, width: number, height: number, wide: number, high: number, across: number, blocks: Map<string, Block>, heads: { value: string, x: number, y: number, count: number }[] }} Layout */

export const head = 26; // pixels above a group
const gap = 4; // between blocks
const between = 24; // between groups
const groupWidth = 380; // a group's least width, if the screen is that wide
const largest = 12, smallest = 2; // pixels of a dot

/**
 * layout places blocks. All blocks hold as many dots as the fullest one has.
 * @param {[string, { name: string }[]][]} groups @param {number} most dots of a block @param {number} width @param {number} height of the screen: the blocks fit into it, if they can
 * @param {boolean} heads whether groups have names
 * @returns {Layout}
 */
export const layout = (groups, most, width, height, heads) => {
	for (let dot = largest; ; dot--) {
		const fit = place(groups, most, width, dot, heads);
		if (fit.height <= height || dot === smallest) return fit;
	}
};

/** @param {[string, { name: string }[]][]} groups @param {number} most @param {number} width @param {number} dot @param {boolean} heads @returns {Layout} */
const place = (groups, most, width, dot, heads) => {
	const columns = Math.max(2, Math.ceil(Math.sqrt(most))), rows = Math.max(1, Math.ceil(most / columns));
	const wide = columns * dot + gap, high = rows * dot + gap;
	const beside = heads ? Math.max(1, Math.min(groups.length, Math.floor(width / groupWidth))) : 1; // groups
	const share = Math.floor((width - (beside - 1) * between) / beside), across = Math.max(1, Math.floor(share / wide));
	/** @type {Layout} */ const out = { dot, columns, rows, width, height: 0, wide: wide - gap, high: high - gap, across, blocks: new Map(), heads: [] };
	let y = 0, deepest = 0; // of the groups in one row
	groups.forEach(([value, list], g) => {
		const x = (g % beside) * (share + between), top = y + (heads ? head : 0);
		if (heads) out.heads.push({ value, x, y, count: list.length });
		list.forEach((one, i) => out.blocks.set(one.name, { name: one.name, x: x + (i % across) * wide, y: top + Math.floor(i / across) * high }));
		deepest = Math.max(deepest, top + Math.ceil(list.length / across) * high);
		if (g % beside === beside - 1) y = deepest + (heads ? between / 2 : 0);
	});
	out.height = Math.max(deepest, high);
	return out;
};

/** blockAt returns the block at a point. @returns {Block | undefined} */
export const blockAt = (/** @type {Layout} */ l, /** @type {number} */ x, /** @type {number} */ y) => {
	for (const b of l.blocks.values()) if (x >= b.x && x < b.x + l.wide && y >= b.y && y < b.y + l.high) return b;
	return undefined;
};

/** dotAt returns which dot of a block is at a point. */
export const dotAt = (/** @type {Layout} */ l, /** @type {Block} */ b, /** @type {number} */ x, /** @type {number} */ y) =>
	Math.floor((y - b.y) / l.dot) * l.columns + Math.floor((x - b.x) / l.dot);
